// Command dirhash prints the hash that Terraform keeps of each package it is given:
// a directory, or a zip file.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/dirhash"
)

func main() {
	for _, name := range os.Args[1:] {
		hash, err := hashed(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		fmt.Println(hash)
	}
}

func hashed(name string) (string, error) {
	about, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if about.IsDir() {
		return dirhash.HashDir(name, "", dirhash.Hash1)
	}
	return dirhash.HashZip(name, dirhash.Hash1)
}
