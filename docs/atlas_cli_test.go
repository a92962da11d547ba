package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// atlasCommands are the commands of the Atlas CLI that documents and runbooks name: the words of the command, its
// arguments, its required flags, and the optional flags in use. They are from the command reference of August 2026.
var atlasCommands = map[string]struct {
	arguments          int
	required, optional []string
}{
	"accessLists delete":                      {1, nil, []string{"--projectId"}},
	"accessLists list":                        {0, nil, []string{"--projectId"}},
	"api activityFeed getGroupActivityFeed":   {0, []string{"--groupId"}, nil},
	"api serviceAccounts":                     {0, []string{"--help"}, nil},
	"api serviceAccounts createOrgAccessList": {0, []string{"--clientId", "--orgId"}, []string{"--file"}},
	"backups restores describe":               {1, []string{"--clusterName"}, []string{"--projectId", "--output"}},
	"backups restores list":                   {1, nil, []string{"--projectId", "--output"}},
	"backups schedule describe":               {1, nil, []string{"--projectId"}},
	"backups snapshots create":                {1, []string{"--desc"}, []string{"--projectId", "--retention"}},
	"backups snapshots list":                  {1, nil, []string{"--projectId", "--output"}},
	"clusters describe":                       {1, nil, []string{"--projectId"}},
	"clusters list":                           {0, nil, []string{"--projectId"}},
	"clusters pause":                          {1, nil, []string{"--projectId"}},
	"events projects list":                    {0, nil, []string{"--projectId", "--output", "--minDate"}},
	"privateEndpoints aws delete":             {1, nil, []string{"--projectId"}},
	"privateEndpoints aws list":               {0, nil, []string{"--projectId"}},
	"api cloudBackups cancelBackupRestoreJob": {0, []string{"--clusterName", "--groupId", "--restoreJobId"}, nil},
	"auth login":                              {0, nil, nil},
	"backups restores start pointInTime":      {0, []string{"--clusterName", "--pointInTimeUTCSeconds", "--targetClusterName", "--targetProjectId"}, []string{"--projectId"}}, //nolint:lll // a row
	"backups restores start automated":        {0, []string{"--clusterName", "--snapshotId", "--targetClusterName", "--targetProjectId"}, []string{"--projectId"}},            //nolint:lll // a row
}

var (
	continuedLines = regexp.MustCompile(`\\\n\s*`)
	atlasCommand   = regexp.MustCompile("(?m)(?:^\\s*|`)atlas ([a-z][A-Za-z]* [^`\n]+)")
	commandWord    = regexp.MustCompile(`^[a-z][a-zA-Z]*$`)
)

// TestAtlasCommands_HaveTheSyntaxOfTheAtlasCLI checks each command of the Atlas CLI in documents and runbooks.
func TestAtlasCommands_HaveTheSyntaxOfTheAtlasCLI(t *testing.T) {
	used := map[string]bool{}
	for _, name := range namingFiles(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text := continuedLines.ReplaceAllString(testutil.ReadFile(t, filepath.Join(root, name)), "")
		for _, match := range atlasCommand.FindAllStringSubmatch(text, -1) {
			command, failure := checkAtlasCommand(strings.Fields(match[1]))
			if used[command] = true; failure != "" {
				t.Errorf("%s: %s: %s", name, match[0], failure)
			}
		}
	}
	for command := range atlasCommands {
		if !used[command] {
			t.Errorf("no document names %q", command)
		}
	}
}

// checkAtlasCommand returns the words of a command, and the error in its arguments and flags.
func checkAtlasCommand(words []string) (command, failure string) {
	n := 0
	for n < len(words) && commandWord.MatchString(words[n]) {
		n++
	}
	command = strings.Join(words[:n], " ")
	syntax, known := atlasCommands[command]
	if !known {
		return command, "unknown command"
	}
	arguments, flags := 0, []string(nil)
	for i := n; i < len(words); i++ {
		switch {
		case words[i] == "--help":
			flags = append(flags, words[i])
		case strings.HasPrefix(words[i], "--"):
			flags = append(flags, words[i])
			i++ // its value
		default:
			arguments++
		}
	}
	if arguments != syntax.arguments {
		return command, "wrong number of arguments"
	}
	for _, flag := range syntax.required {
		if !slices.Contains(flags, flag) {
			return command, "without " + flag
		}
	}
	for _, flag := range flags {
		if !slices.Contains(syntax.required, flag) && !slices.Contains(syntax.optional, flag) {
			return command, "unknown flag " + flag
		}
	}
	return command, ""
}
