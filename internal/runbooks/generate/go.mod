module atlas-restore-exporter/internal/runbooks/generate

go 1.26.0

require github.com/yuin/goldmark v1.7.13
