package config

import (
	"errors"
	"fmt"
	"io/fs"
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
		b.report("credentials", "at least one credential with service_account or api_key is required")
	}
	b.config.CredentialExpiry = map[string]time.Time{}
	for _, name := range slices.Sorted(maps.Keys(b.raw.Credentials)) {
		path, raw := "credentials."+name, b.raw.Credentials[name]
		if !credentialName.MatchString(name) {
			b.report(path, "name must consist of 1 to 64 letters, digits, hyphens, and underscores")
		}
		b.expiry(name, raw.Expires)
		credential := atlas.Credential{Name: name}
		switch account, key := raw.ServiceAccount, raw.APIKey; {
		case (account == nil) == (key == nil):
			b.report(path, "exactly one of service_account and api_key is required")
		case account != nil:
			path += ".service_account"
			b.require(path+".client_id", account.ClientID)
			secret := b.secret(path, "client_secret", account.ClientSecret, account.ClientSecretFile)
			credential.ServiceAccount = &atlas.ServiceAccount{ClientID: account.ClientID, ClientSecret: secret}
		default:
			path += ".api_key"
			b.require(path+".public_key", key.PublicKey)
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
	if (value.Reveal() == "") == (file == "") {
		b.report(path, "exactly one of %s_file (path of a file) and %s (such as ${NAME} from the environment) is required",
			key, key)
		return ""
	}
	if file == "" {
		return value
	}
	path += "_file"
	text, err := b.config.contents[file].Text, b.config.contents[file].Err
	if err == nil && len(text) > maxSecretSize {
		err = &files.TooLargeError{Limit: maxSecretSize}
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // the path is not shown, because users may have set the secret itself as the path
	}
	if err != nil {
		b.report(path, "must be the path of a readable file: %v", err)
		return ""
	}
	secret := strings.TrimSpace(string(text))
	switch {
	case secret == "":
		b.report(path, "%s is empty", file)
	case strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }):
		b.report(path, "%s must contain only the secret: one line of printable ASCII characters", file)
	}
	b.config.warnIfWorldReadable(path, file,
		"in Kubernetes, set defaultMode: 0440 for the volume and fsGroup for the pod")
	return atlas.Secret(secret)
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
