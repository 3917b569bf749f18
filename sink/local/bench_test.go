package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"packseal.example/sink"
)

// BenchmarkPut compares Put with the bare system calls: create, write, fsync,
// link, fsync of the directory, without hashing.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{48 << 10, 64 << 20} {
		data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		c := sink.Bytes(data)
		b.Run(fmt.Sprintf("put/%dKiB", size>>10), func(b *testing.B) {
			s := openDir(b, b.TempDir())
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := s.Put(b.Context(), fmt.Sprintf("f/%d", i), c); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("bare/%dKiB", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := bare(dir, fmt.Sprint(i), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func bare(dir, name string, data []byte) error {
	temp := filepath.Join(dir, "temp")
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	parent, err := os.Open(dir)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { _, err := f.Write(data); return err },
		f.Sync, f.Close,
		func() error { return os.Link(temp, filepath.Join(dir, name)) },
		parent.Sync, parent.Close,
		func() error { return os.Remove(temp) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
