package archive

import (
	"cmp"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// pack returns what is known of a slot's pack; name is what a record calls it.
func (a *Archive) pack(s evidence.Slot, name string) evidence.Pack {
	p := a.packs[s.Ref()]
	p.PackRef, p.Name = s.Ref(), cmp.Or(name, p.Name)
	return p
}

// aboutRecord describes a slot's record of that name to people.
func (a *Archive) aboutRecord(s evidence.Slot, name, record string) sink.About {
	p := a.pack(s, name)
	return about(p, s, record, "application/json")
}

// aboutReport describes a report to people.
func (a *Archive) aboutReport(m evidence.Manifest) sink.About {
	media := m.Container.MediaType()
	switch m.ContentEncoding {
	case "":
	case "gzip":
		media = "application/gzip"
	default:
		media = "application/octet-stream"
	}
	return about(a.pack(m.Slot(), m.Name), m.Slot(), m.Ext(), media)
}

func about(p evidence.Pack, s evidence.Slot, ext, media string) sink.About {
	return sink.About{
		Type: media, Name: p.FileName(s.Due, time.DateOnly, ext),
		Facts: map[string]string{"pack": s.Pack, "name": p.Name, "due": s.Due.UTC().Format(time.RFC3339)},
	}
}
