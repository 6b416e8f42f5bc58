// Reads an exported log with golang.org/x/mod/sumdb, which shares nothing with us: opens the checkpoint with the key, proves
// every tile against its root, and every entry against its tile. Prints "<size> <root in base64>".
//
//	log_reader EXPORT        reads and proves
//	log_reader EXPORT OUT    and writes an export of its own to OUT: from the entries alone, with Go's hashes and tiles
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (f folder) Height() int { return 8 }

// Go writes the tile's height before its level, C2SP does not.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func entries(f folder, size int64) [][]byte {
	var out [][]byte
	for first := int64(0); first < size; first += 256 {
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(min(256, size-first))}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		check(err)
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			out = append(out, data[2:2+length])
			data = data[2+length:]
		}
	}
	return out
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func put(path string, data []byte) {
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path, data, 0o644))
}

func write(f folder, out string, all [][]byte) {
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, hashes[index])
		}
		return found, nil
	})
	for index, entry := range all {
		more, err := tlog.StoredHashes(int64(index), entry, reader)
		check(err)
		hashes = append(hashes, more...)
	}
	tiles := map[[2]int64]tlog.Tile{} // as they are in the whole tree: Go names each one on the way there
	for _, tile := range tlog.NewTiles(8, 0, int64(len(all))) {
		place := [2]int64{int64(tile.L), tile.N}
		if tiles[place].W < tile.W {
			tiles[place] = tile
		}
	}
	for _, tile := range tiles {
		data, err := tlog.ReadTileData(tile, reader)
		check(err)
		put(filepath.Join(out, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)), data)
		if tile.L != 0 {
			continue
		}
		var bundle []byte
		for _, entry := range all[tile.N*256 : tile.N*256+int64(tile.W)] {
			bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
			bundle = append(bundle, entry...)
		}
		put(filepath.Join(out, strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)), bundle)
	}
	for _, name := range []string{"checkpoint", "key.pem", "root.pem"} {
		data, err := os.ReadFile(filepath.Join(string(f), name))
		check(err)
		put(filepath.Join(out, name), data)
	}
}

func main() {
	f := folder(os.Args[1])
	key, err := os.ReadFile(filepath.Join(string(f), "key.vkey"))
	check(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	check(err)
	signed, err := os.ReadFile(filepath.Join(string(f), "checkpoint"))
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, f)
	all := entries(f, size)
	for index, entry := range all {
		proof, err := tlog.ProveRecord(size, int64(index), reader)
		check(err)
		check(tlog.CheckRecord(proof, size, root, int64(index), tlog.RecordHash(entry)))
	}
	for old := int64(1); old <= size; old++ {
		before, err := tlog.TreeHash(old, reader)
		check(err)
		proof, err := tlog.ProveTree(size, old, reader)
		check(err)
		check(tlog.CheckTree(proof, size, root, old, before))
	}
	if len(os.Args) > 2 {
		write(f, os.Args[2], all)
	}
	fmt.Println(size, lines[2])
}
