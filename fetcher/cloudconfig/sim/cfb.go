package sim

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// Sizes in a compound file (OLE2, version 3) and special values in its allocation
// table, by the published format [MS-CFB].
const (
	sector      = 512
	smallStream = 4096 // shorter streams would be in the mini stream
	inHeader    = 109  // how many sectors of the table the header can list

	freeSector  = 0xFFFFFFFF
	endOfChain  = 0xFFFFFFFE
	tableSector = 0xFFFFFFFD
)

// compoundFile wraps one stream as a compound file:
//
//	header │ the stream │ allocation table │ directory
//
// A stream under 4096 bytes is padded with zeros, which avoids the mini stream. The
// limit of the stream is about 6 MiB, as the header lists all sectors of the table.
func compoundFile(name string, stream []byte) []byte {
	stream = padded(stream, smallStream)
	data := len(stream) / sector
	tables := 1
	for tables*sector/4 < data+tables+1 {
		tables++
	}
	table := make([]uint32, tables*sector/4)
	for i := range table {
		switch {
		case i < data-1:
			table[i] = uint32(i + 1)
		case i >= data && i < data+tables:
			table[i] = tableSector
		case i == data-1 || i == data+tables:
			table[i] = endOfChain
		default:
			table[i] = freeSector
		}
	}
	var b bytes.Buffer
	write := func(v any) { binary.Write(&b, binary.LittleEndian, v) } //nolint:errcheck // to memory
	write(cfbHeader(data, tables))
	b.Write(stream)
	write(table)
	write(entry("Root Entry", 5, 1, endOfChain, 0))
	write(entry(name, 2, freeSector, 0, len(stream)))
	write(entry("", 0, freeSector, 0, 0))
	write(entry("", 0, freeSector, 0, 0))
	return b.Bytes()
}

// cfbHeader returns the first sector, with the places of table and directory.
func cfbHeader(data, tables int) [sector / 4]uint32 {
	h := [sector / 4]uint32{
		0: 0xE011CFD0, 1: 0xE11AB1A1, // the signature
		6:  0x0003003E, // version 3.62
		7:  0x0009FFFE, // little endian, sectors of 2^9
		8:  0x00000006, // small sectors of 2^6
		11: uint32(tables),
		12: uint32(data + tables), // the directory's sector
		14: smallStream,
		15: endOfChain, // no small streams
		17: endOfChain, // no table beyond the header
	}
	for i := range inHeader {
		h[19+i] = freeSector
		if i < tables {
			h[19+i] = uint32(data + i)
		}
	}
	return h
}

// dirEntry is one of the four entries in a sector of the directory.
type dirEntry struct {
	Name               [32]uint16
	NameBytes          uint16
	Kind, Color        uint8
	Left, Right, Child uint32
	Class              [16]byte
	State              uint32
	Created, Modified  uint64
	Start, Size        uint32
	SizeHigh           uint32
}

// entry returns a dirEntry. The length of a name includes the terminating zero.
func entry(name string, kind uint8, child, start uint32, size int) dirEntry {
	e := dirEntry{Kind: kind, Color: 1, Left: freeSector, Right: freeSector, Child: child, Start: start, Size: uint32(size)}
	if n := copy(e.Name[:], utf16.Encode([]rune(name))); n > 0 {
		e.NameBytes = uint16(2 * (n + 1))
	}
	return e
}

// padded pads b with zeros to whole sectors and at least to that size.
func padded(b []byte, least int) []byte {
	want := max(least, (len(b)+sector-1)/sector*sector)
	return append(b, make([]byte, want-len(b))...)
}
