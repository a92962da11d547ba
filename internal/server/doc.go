// Package server builds an exporter from a configuration and serves it over HTTP. It is the composition root: the only
// package that connects the Atlas clients, the manager of the targets, the metric registries and the endpoints.
//
//   - New builds an Exporter. Exporter.Apply replaces its active configuration, and Exporter.Handler serves it.
//   - Run does the same for a daemon: it validates the web configuration, binds the sockets, and only then starts to
//     poll. A process that can't listen therefore sends no request to Atlas, even if it is restarted in a loop.
//   - The reloader loads and applies the configuration again after SIGHUP, after POST /-/reload, and after the
//     content of a secret file changed.
//
// Anyone who reaches the endpoint can send requests, so the size, the duration and the number of requests are bounded,
// and no response contains secrets.
package server
