package report

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"reflect"
)

// writeJSON writes the report as JSON. The elements of the lists of the data are on lines of their own.
func writeJSON(w io.Writer, r *Report) error {
	buffered := bufio.NewWriter(w)
	header, err := marshal(r.Header)
	if err != nil {
		return err
	}
	_, _ = buffered.WriteString(`{"schema":"` + r.Schema + `","header":` + string(header) + `,"data":`)
	if err := r.Data.encode(buffered, "\n"); err != nil {
		return err
	}
	_, _ = buffered.WriteString("}\n")
	return buffered.Flush()
}

// digest returns the SHA-256 digest of the compact JSON form of the data, in hexadecimal digits.
func (d *Data) digest() (string, error) {
	hash := sha256.New()
	buffered := bufio.NewWriter(hash)
	if err := d.encode(buffered, ""); err != nil {
		return "", err
	}
	if err := buffered.Flush(); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// encode writes the data as JSON, one element of its lists after the other, because a large report needs much memory
// otherwise. The separator follows each of them.
func (d *Data) encode(w *bufio.Writer, separator string) error {
	value := reflect.ValueOf(d).Elem()
	for i := range value.NumField() {
		_, _ = w.WriteString(separator)
		if i == 0 {
			_ = w.WriteByte('{')
		} else {
			_ = w.WriteByte(',')
		}
		_, _ = w.WriteString(`"` + value.Type().Field(i).Tag.Get("json") + `":`)
		if err := encodeField(w, value.Field(i), separator); err != nil {
			return err
		}
	}
	_, err := w.WriteString(separator + "}")
	return err
}

func encodeField(w *bufio.Writer, field reflect.Value, separator string) error {
	if field.Kind() != reflect.Slice {
		text, err := marshal(field.Interface())
		_, _ = w.Write(text)
		return err
	}
	_ = w.WriteByte('[')
	for i := range field.Len() {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		_, _ = w.WriteString(separator)
		text, err := marshal(field.Index(i).Addr().Interface())
		if err != nil {
			return err
		}
		_, _ = w.Write(text)
	}
	return w.WriteByte(']')
}

// marshal encodes a value as compact JSON in which <, > and & are not escaped, so that other encoders return the same.
func marshal(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
