package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/files"
)

// maxExpiry is the maximum time until a credential expires. Atlas limits client secrets to a year.
const maxExpiry = 100 * 366 * 24 * time.Hour

// maxSecretSize is the maximum size of a file that contains a secret.
const maxSecretSize = 64 << 10

// credentialName matches valid names of credentials. They are restricted because they become a label.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (b *builder) credentials() {
	if len(b.raw.Credentials) == 0 {
		b.report("credentials", "no credentials; at least one credential with service_account or api_key is required")
	}
	b.config.CredentialExpiry = map[string]time.Time{}
	for _, name := range slices.Sorted(maps.Keys(b.raw.Credentials)) {
		path, raw := "credentials."+name, b.raw.Credentials[name]
		if !credentialName.MatchString(name) {
			b.report(path, "the name of the credential is invalid; use 1 to 64 letters, digits, hyphens, and underscores")
		}
		b.expiry(name, raw.Expires)
		credential := atlas.Credential{Name: name}
		switch account, key := raw.ServiceAccount, raw.APIKey; {
		case account == nil && key == nil:
			b.report(path, "service_account or api_key is missing; set one of them")
		case account != nil && key != nil:
			b.report(path, "service_account and api_key are both set; remove one of them")
		case account != nil:
			path += ".service_account"
			b.identifier(path+".client_id", account.ClientID)
			secret := b.secret(path, "client_secret", account.ClientSecret, account.ClientSecretFile)
			credential.ServiceAccount = &atlas.ServiceAccount{ClientID: account.ClientID, ClientSecret: secret}
		default:
			path += ".api_key"
			b.identifier(path+".public_key", key.PublicKey)
			secret := b.secret(path, "private_key", key.PrivateKey, key.PrivateKeyFile)
			credential.APIKey = &atlas.APIKey{PublicKey: key.PublicKey, PrivateKey: secret}
		}
		b.config.Credentials = append(b.config.Credentials, credential)
	}
}

// expiry records when a credential expires, if that is set. The time is only reported, so a past time is valid.
func (b *builder) expiry(credential string, setting *expiry) {
	if setting == nil {
		return
	}
	at := time.Time(*setting)
	if time.Until(at) > maxExpiry {
		b.report("credentials."+credential+".expires", "must be at most 100 years from now")
		return
	}
	b.config.CredentialExpiry[credential] = at
	if at.Before(time.Now()) {
		b.warn(fmt.Sprintf("credentials.%s.expires is in the past (%s): rotate the secret, or update expires",
			credential, at.Format(time.RFC3339)))
	}
}

// secret returns a secret of the credential at a path: the value of key, or the content of the file that key_file
// names.
func (b *builder) secret(path, key string, value atlas.Secret, file string) atlas.Secret {
	path += "." + key
	switch {
	case value.Reveal() == "" && file == "":
		b.report(path, "is missing; set %s_file to the path of a file, or %s to a variable such as ${NAME}", key, key)
		return ""
	case value.Reveal() != "" && file != "":
		b.report(path, "%s and %s_file are both set; remove one of them", key, key)
		return ""
	case file == "":
		if reason := invalidCredential(value.Reveal()); reason != "" {
			b.report(path, "the value %s", reason)
		}
		return value
	}
	path += "_file"
	shown := b.shownPath(path, file)
	text, err := b.config.contents[file].Text, b.config.contents[file].Err
	if err == nil && len(text) > maxSecretSize {
		err = &files.TooLargeError{Limit: maxSecretSize}
	}
	if err != nil {
		b.report(path, "%s", unreadable(shown, err))
		return ""
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		b.report(path, "%s is empty", shown)
	} else if reason := invalidCredential(secret); reason != "" {
		b.report(path, "%s must contain only the secret, but it %s", shown, reason)
	}
	b.config.warnIfWorldReadable(path, file,
		"in Kubernetes, set defaultMode: 0440 for the volume and fsGroup for the pod")
	return atlas.Secret(secret)
}

// shownPath returns the path of a file with a secret, or "the file" if the setting may be the secret itself.
func (b *builder) shownPath(setting, file string) string {
	written := b.scalars[setting].value
	if secretLike.MatchString(written) || !strings.ContainsAny(written, "/.") {
		return "the file"
	}
	return file
}

// identifier checks the public part of a credential.
func (b *builder) identifier(path, value string) {
	if value == "" {
		b.invalidValue(path, "valid; copy it from the Atlas UI")
	} else if reason := invalidCredential(value); reason != "" {
		b.report(path, "the value %s", reason)
	}
}

// invalidCredential returns the reason for which a text can't be an ID, a key, or a secret of Atlas, or "". Such texts
// would only be rejected by Atlas, with an error that suggests that the secret is wrong.
func invalidCredential(text string) string {
	first, last := text[0], text[len(text)-1]
	switch {
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "starts with a byte order mark; save the text as ASCII or UTF-8 without a byte order mark"
	case strings.ContainsAny(text, "\r\n"):
		return "contains a line break; remove it"
	case (first == '"' || first == '\'') && last == first, strings.HasPrefix(text, "\u201c"):
		return "is enclosed in quotes; remove them"
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return "contains a control character or a character that is not ASCII; remove it"
	case first == ' ' || last == ' ':
		return "starts or ends with a space; remove it"
	}
	return ""
}

func (b *builder) warnOfUnusedCredentials() {
	for _, credential := range b.config.Credentials {
		uses := func(target *poll.Target) bool { return target.Credential == credential.Name }
		if !slices.ContainsFunc(b.config.Targets, func(t poll.Target) bool { return uses(&t) }) &&
			!slices.ContainsFunc(b.config.Discoveries, func(r poll.Rule) bool { return uses(&r.Target) }) {
			b.warn("credential " + credential.Name + " is not used by any project")
		}
	}
}
