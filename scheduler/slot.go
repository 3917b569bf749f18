package scheduler

import "packseal.example/internal/evidence"

// Slot is one report that is owed.
type Slot = evidence.Slot
