//go:build chaos

package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"packseal.example/test/lab"
)

// disk is an ext4 of its own in a file, mounted.
type disk struct {
	t          *testing.T
	image, dir string
}

// newDisk makes a disk of so many MiB and mounts it at dir. Only root can.
func newDisk(t *testing.T, size, dir string) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		lab.Missing(t, "%s", "mounting a file system takes root")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		lab.Missing(t, "%s", err.Error())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &disk{t, filepath.Join(t.TempDir(), "image"), dir}
	d.run("truncate", "-s", size, d.image)
	d.run("mkfs.ext4", "-q", "-m", "0", d.image)
	d.mount()
	t.Cleanup(d.unmount)
	return d
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (d *disk) mount() {
	d.t.Helper()
	d.run("mount", "-o", "loop", d.image, d.dir)
}

func (d *disk) unmount() {
	d.t.Helper()
	d.run("umount", d.dir)
}

// losePower leaves on the disk what had reached it at this moment: the image
// is copied as it is, and the copy mounted in place of the first, which is
// thrown away. Whoever writes there is to be stopped before, and killed by dead.
func (d *disk) losePower(dead func()) {
	d.t.Helper()
	d.run("cp", "--sparse=always", d.image, d.image+".copy")
	dead()
	d.unmount()
	d.run("mv", d.image+".copy", d.image)
	d.mount()
}

// fill leaves no room on the disk, until drained.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it fails, as it should
	for size := 1 << 20; size > 0; size /= 16 {
		for block := make([]byte, size); ; {
			if _, err := f.Write(block); err != nil {
				break
			}
		}
	}
	_ = f.Sync() // so that what was promised is taken
}

func (d *disk) makeRoom() { d.t.Helper(); d.run("rm", filepath.Join(d.dir, "filler")) }

// readOnly makes the disk refuse writes, also to files that are open, as the
// kernel does when it met an error.
func (d *disk) readOnly() { d.t.Helper(); d.run("mount", "-o", "remount,abort", d.dir) }

// writable mounts the disk anew, as one does after a repair. It is a copy, as
// the kernel would hand out the very same failed file system again while
// somebody has it open.
func (d *disk) writable() {
	d.t.Helper()
	d.run("umount", "--lazy", d.dir)
	d.run("cp", "--sparse=always", d.image, d.image+".copy")
	d.image += ".copy"
	d.mount()
}
