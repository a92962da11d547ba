// Package config reads the configuration file of the exporter.
//
// Load works in three steps:
//
//  1. The YAML text is decoded strictly into a private raw type that mirrors the file. Unknown keys, duplicate keys,
//     and wrong types are errors. ${NAME} in a string is replaced with the environment variable NAME.
//  2. A builder checks the raw values and applies defaults. Clusters inherit the settings of their project, and
//     projects those of the top level. The builder also reads the files with secrets and certificate authorities.
//  3. The result is a Config that needs no further checks, or an error with one line for each invalid setting.
//
// Errors contain the line and the path of a setting. They never contain a value that may be a secret. Values are
// never clamped or guessed: if a value is out of range, the configuration is invalid.
package config
