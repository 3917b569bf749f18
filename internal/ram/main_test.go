package ram

import (
	"os"
	"testing"

	"packseal.example/internal/ram/ramtest"
)

func TestMain(m *testing.M) { os.Exit(ramtest.M{Tests: m}.Run()) }
