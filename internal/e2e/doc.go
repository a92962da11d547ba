// Package e2e tests the built binary from the outside: signals, restarts, sockets, secrets, and incidents that have to
// reach a person. It contains no code besides tests. TestMain builds the binary once, and each test starts it as a
// process against a simulated Atlas API on a real socket.
//
// Tests that need other programs (Prometheus, Alertmanager, promtool) skip with a reason if these aren't installed. Set
// REQUIRE_TOOLS=1 to let them fail instead. The soak test runs only if SOAK names its duration.
package e2e
