package atlas_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestError_ContainsNoSecretsThatTheResponseEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		echo := func(w http.ResponseWriter, r *http.Request) {
			atlastest.APIError(403, secret, "You sent "+r.Header.Get("Authorization")+"\nand "+secret+
				" see https://user:"+secret+"@host/archive.tar.gz?sig=1 "+strings.Repeat("x", 500)).ServeHTTP(w, r)
		}
		sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(echo))
		err := readError(t, client)
		want := "atlas api returned 403: You sent Bearer <redacted> and <redacted> see <link> "
		if err == nil || !strings.HasPrefix(err.Error(), want) || len([]rune(err.Error())) > 230 {
			t.Errorf("%v\nwant %s…", err, want)
		}
	})
}

func TestSecret_PrintsAsRedacted(t *testing.T) {
	value := atlas.Secret(secret)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", value)
	text, _ := value.MarshalText()
	yaml, _ := value.MarshalYAML()
	for _, printed := range []string{
		logged.String(), string(text), fmt.Sprint(yaml),
		fmt.Sprintf("%v %+v %#v %s %q", value, value, value, value, value),
		fmt.Sprintf("%v %+v %#v", account.ServiceAccount, *account.ServiceAccount, *account.ServiceAccount),
	} {
		if strings.Contains(printed, "NEVER") {
			t.Errorf("printed: %s", printed)
		}
	}
}
