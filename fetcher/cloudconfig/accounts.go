package cloudconfig

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

var _ fetcher.Directory = (*Client)(nil)

// The Resource Directory has an API of its own (ResourceDirectoryMaster).
const (
	directoryVersion = "2022-04-19"
	listAccounts     = "ListAccounts"
)

// DirectoryEndpoint is where that API is by default. The documentation names no other
// host.
const DirectoryEndpoint = "https://resourcedirectory.aliyuncs.com"

// CheckEndpoint returns what is wrong with the endpoint of an API.
func CheckEndpoint(endpoint string, allowHTTP bool) error {
	_, err := parseEndpoint(endpoint, allowHTTP)
	return err
}

// accountsPage is one page of the list of member accounts.
type accountsPage struct {
	Items []accountItem `json:"Account" xml:"Account"`
}

type accountItem struct {
	ID       text        `json:"AccountId" xml:"AccountId"`
	Name     text        `json:"DisplayName" xml:"DisplayName"`
	Status   text        `json:"Status" xml:"Status"`
	Deletion text        `json:"DeletionStatus" xml:"DeletionStatus"`
	Path     text        `json:"ResourceDirectoryPath" xml:"ResourceDirectoryPath"`
	Folder   text        `json:"FolderId" xml:"FolderId"`
	Tags     accountTags `json:"Tags" xml:"Tags"`
}

type accountTags struct {
	Items []accountTag `json:"Tag" xml:"Tag"`
}

type accountTag struct {
	Key   text `json:"Key" xml:"Key"`
	Value text `json:"Value" xml:"Value"`
}

// maxPath bounds the folders above an account, in bytes: ten of them are permitted.
const maxPath = 512

// Accounts implements [fetcher.Directory]. A listing that ends before as many accounts
// as it counts is an error, after those that it has.
func (c *Client) Accounts(ctx context.Context, endpoint string) iter.Seq2[fetcher.AccountInfo, error] {
	return func(yield func(fetcher.AccountInfo, error) bool) {
		fail := func(err error) { yield(fetcher.AccountInfo{}, fmt.Errorf("listing accounts: %w", err)) }
		at, err := parseEndpoint(endpoint, true) // what is permitted was checked with the configuration
		if err != nil {
			fail(err)
			return
		}
		seen, next := make(map[text]bool), text("")
		for range maxPages {
			a, err := c.do(ctx, accountsCall(at, string(next)))
			switch {
			case err != nil:
				fail(err)
				return
			case a.Next != "" && a.Next == next:
				fail(fault.New(fault.Damaged, "%s: the same NextToken twice", listAccounts))
				return
			}
			for _, item := range a.accounts() {
				if item.ID == "" || seen[item.ID] {
					continue
				}
				seen[item.ID] = true
				if !yield(item.info(), nil) {
					return
				}
			}
			if next = a.Next; next == "" {
				if total, err := strconv.Atoi(string(a.Total)); err == nil && total > len(seen) {
					fail(fault.New(fault.Damaged, "%s: it ended after %d of %d accounts", listAccounts, len(seen), total))
				}
				return
			}
		}
		fail(fault.New(fault.Damaged, "%s: more than %d pages", listAccounts, maxPages))
	}
}

// accounts returns the accounts in a response.
func (a response) accounts() []accountItem {
	if a.Accounts == nil {
		return nil
	}
	return a.Accounts.Items
}

// info returns the item without what could do harm where it is shown or stored.
func (a accountItem) info() fetcher.AccountInfo {
	info := fetcher.AccountInfo{
		ID: string(a.ID), Name: a.Name.plain(maxName), Status: a.Status.plain(maxWord), Deletion: a.Deletion.plain(maxWord),
		Path: a.Path.plain(maxPath), Folder: a.Folder.plain(maxWord),
	}
	for _, t := range a.Tags.Items {
		if info.Tags == nil {
			info.Tags = make(map[string]string, len(a.Tags.Items))
		}
		info.Tags[t.Key.plain(maxWord)] = t.Value.plain(maxName)
	}
	return info
}

func accountsCall(at *url.URL, next string) call {
	q := call{name: listAccounts, method: http.MethodPost, directory: at, params: url.Values{
		"MaxResults": {strconv.Itoa(pageSize)}, "IncludeTags": {"true"},
	}}
	if next != "" {
		q.params.Set("NextToken", next)
	}
	return q
}
