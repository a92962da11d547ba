package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// kind is a kind of text.
type kind string

const (
	comments  kind = "comments"
	strs      kind = "strings"
	names     kind = "names"
	documents kind = "documents"
)

// text is a part of a file that is checked.
type text struct {
	kind    kind
	line    int // of the first byte of content
	content string
}

// goTexts returns the comments and string literals of a Go file, and the names that it declares.
func goTexts(path, source string) ([]text, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var texts []text
	add := func(kind kind, node ast.Node, content string) {
		texts = append(texts, text{kind, files.Position(node.Pos()).Line, content})
	}
	for _, group := range file.Comments {
		var content strings.Builder
		for _, comment := range group.List {
			content.WriteString(strings.TrimPrefix(comment.Text, "//") + "\n")
		}
		add(comments, group, content.String())
	}
	addNames := func(expressions ...ast.Expr) {
		for _, expression := range expressions {
			if name, ok := expression.(*ast.Ident); ok && name != nil {
				add(names, name, splitName(name.Name))
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if node.Kind == token.STRING {
				add(strs, node, unquote(node.Value))
			}
		case *ast.Field:
			node.Tag = nil // the names in a tag belong to a data format
			addIdents(addNames, node.Names)
		case *ast.FuncDecl:
			addNames(node.Name)
		case *ast.TypeSpec:
			addNames(node.Name)
		case *ast.ValueSpec:
			addIdents(addNames, node.Names)
		case *ast.AssignStmt:
			if node.Tok == token.DEFINE {
				addNames(node.Lhs...)
			}
		case *ast.RangeStmt:
			if node.Tok == token.DEFINE {
				addNames(node.Key, node.Value)
			}
		}
		return true
	})
	return texts, nil
}

// codeInMarkdown are blocks and spans of code, comments, and targets of links.
var codeInMarkdown = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$|`[^`\n]+`|<!--.*?-->|\\]\\([^)\n]*\\)")

// markdownTexts returns the prose of a Markdown file as one text.
func markdownTexts(_, source string) ([]text, error) {
	prose := codeInMarkdown.ReplaceAllStringFunc(source, func(code string) string {
		return "`" + strings.Repeat("\n", strings.Count(code, "\n")) + "`" // keeps the numbers of lines
	})
	return []text{{documents, 1, prose}}, nil
}

func addIdents(addNames func(...ast.Expr), identifiers []*ast.Ident) {
	for _, name := range identifiers {
		addNames(name)
	}
}

// unquote returns the content of a string literal. Only raw strings keep their newlines: they span lines of the file.
func unquote(literal string) string {
	content, err := strconv.Unquote(literal)
	if err != nil || literal[0] == '`' {
		return strings.Trim(literal, "`")
	}
	return strings.ReplaceAll(content, "\n", " ")
}

var wordStarts = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// splitName separates the words of an identifier by spaces: refuseAll becomes "refuse All".
func splitName(name string) string {
	return strings.ReplaceAll(wordStarts.ReplaceAllString(name, "$1 $2"), "_", " ")
}
