// Checks a log as anybody would who has nothing but its public key and Go's own transparency log packages: the checkpoint by sumdb/note, the tiles and
// all proofs by sumdb/tlog. Takes a JSON object on standard input; prints what it checked; exits 1 at the first thing that does not hold.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	URL         string
	Token       string
	VerifierKey string
	SigningKey  string
	IDs         []string
	OldSize     int64
}

var in input

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func must(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", in.URL+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+in.Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = fmt.Errorf("%s: %d %s", path, answer.StatusCode, body)
	}
	return body, err
}

// The note's text is that of C2SP tlog-checkpoint; tlog.ParseTree reads the Go checksum database's own first line only.
func open(message string) tlog.Tree {
	verifier, err := note.NewVerifier(in.VerifierKey)
	check(err, "verifier key")
	opened, err := note.Open([]byte(message), note.VerifierList(verifier))
	check(err, "note")
	must(len(opened.Sigs) == 1, "one signature is by the key")
	lines := strings.Split(opened.Text, "\n")
	must(len(lines) >= 4 && lines[0] == verifier.Name(), "the note is a checkpoint of the log")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "size")
	root, err := tlog.ParseHash(lines[2])
	check(err, "root")
	return tlog.Tree{N: size, Hash: root}
}

// Reads tiles over HTTP. Paths of C2SP tlog-tiles lack the height, which is always 8.
type tiles struct{ read int }

func (*tiles) Height() int { return 8 }
func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := get("/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		t.read++
		found = append(found, data)
	}
	return found, nil
}
func (*tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func hashes(texts []string) []tlog.Hash {
	decoded := []tlog.Hash{}
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		check(err, "hash")
		decoded = append(decoded, hash)
	}
	return decoded
}

func same(a, b []tlog.Hash) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func main() {
	check(json.NewDecoder(os.Stdin).Decode(&in), "input")
	signed, err := get("/checkpoint")
	check(err, "checkpoint")
	newest := open(string(signed))
	reader := &tiles{}
	root, err := tlog.TreeHash(newest.N, tlog.TileHashReader(newest, reader))
	check(err, "tree")
	must(root == newest.Hash, "the tiles are the tree of the checkpoint")

	// Ed25519 is deterministic: Go's signer makes the same note of the same text.
	signer, err := note.NewSigner(in.SigningKey)
	check(err, "signing key")
	again, err := note.Sign(&note.Note{Text: string(signed[:strings.Index(string(signed), "\n\n")+1])}, signer)
	check(err, "sign")
	must(string(again) == string(signed), "Go's note is ours, byte for byte")

	for _, id := range in.IDs {
		body, err := get("/logs/" + id + "/proof")
		check(err, "proof")
		var proof struct {
			Checkpoint string
			Index      int64
			Size       int64 `json:"tree_size"`
			Hashes     []string
			Leaf       string
		}
		check(json.Unmarshal(body, &proof), "proof")
		tree := open(proof.Checkpoint)
		must(tree.N == proof.Size, "the proof is under its checkpoint")
		leaf, err := base64.StdEncoding.DecodeString(proof.Leaf)
		check(err, "leaf")
		path := tlog.RecordProof(hashes(proof.Hashes))
		check(tlog.CheckRecord(path, tree.N, tree.Hash, proof.Index, tlog.RecordHash(leaf)), "inclusion")
		leaf[len(leaf)/2] ^= 1
		must(tlog.CheckRecord(path, tree.N, tree.Hash, proof.Index, tlog.RecordHash(leaf)) != nil, "an altered leaf is not in the log")
		own, err := tlog.ProveRecord(tree.N, proof.Index, tlog.TileHashReader(tree, reader))
		check(err, "proof from tiles")
		must(same(own, path), "the proof from tiles is the one answered")
	}

	body, err := get(fmt.Sprintf("/consistency?from=%d", in.OldSize))
	check(err, "consistency")
	var proof struct {
		Old, New string
		Hashes   []string
	}
	check(json.Unmarshal(body, &proof), "consistency")
	older, newer := open(proof.Old), open(proof.New)
	must(older.N == in.OldSize && newer.N >= newest.N, "the sizes are those that were asked for")
	path := tlog.TreeProof(hashes(proof.Hashes))
	check(tlog.CheckTree(path, newer.N, newer.Hash, older.N, older.Hash), "consistency")
	own, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, reader))
	check(err, "consistency from tiles")
	must(same(own, path), "the proof of consistency from tiles is the one answered")
	older.Hash[0] ^= 1
	must(tlog.CheckTree(path, newer.N, newer.Hash, older.N, older.Hash) != nil, "another old tree is not consistent")

	fmt.Printf("checkpoint of %d leaves, %d entries included, consistent with %d leaves, %d tiles read\n", newest.N, len(in.IDs), in.OldSize, reader.read)
}
