#!/usr/bin/env python3
"""python3 verify.py BUNDLE.zip --key VKEY [--tsa-roots PEM] [--known 'ORIGIN SIZE ROOT']

Verifies a bundle of packseal with Python 3.8 and openssl 1.1.1, or later ones. VKEY is the ledger's verifier key, from
elsewhere than the bundle. Without --tsa-roots nothing says when anything happened. Times of schedules are taken from the
slates; packseal audit computes them anew. It exits with 0, with 3 if there are findings, or with 2 if called wrongly.
"""
import argparse, base64, calendar, collections, hashlib, json, os, re, subprocess, sys, tempfile, time, zipfile

DAY, PRE, findings = 86400, "packseal-ledger/", []
sha = lambda b: hashlib.sha256(b).digest()
b64 = lambda s: base64.b64decode(s, validate=True)
when = lambda s: calendar.timegm(time.strptime(s, "%Y-%m-%dT%H:%M:%SZ"))
show = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))

def find(word, what):
    findings.append(word)
    print(f"{word}: {what}")
def need(ok, what):
    if not ok:
        raise ValueError(what)
def openssl(tmp, files, *args):
    for name, b in files.items():
        with open(os.path.join(tmp, name), "wb") as f:
            f.write(b)
    return subprocess.run(["openssl", *args], cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

class Tree:  # the perfect subtrees of the leaves so far, from the left, by RFC 6962: their sizes and roots
    def __init__(self, size, hashes):
        need(len(hashes) == bin(size).count("1"), "ledger/edge: another number of hashes than its size needs")
        self.size, self.edge = size, list(zip((1 << b for b in range(62, -1, -1) if size >> b & 1), hashes))
    def add(self, leaf):
        n, h = 1, sha(b"\0" + leaf)
        while self.edge and self.edge[-1][0] == n:
            n, h = 2 * n, sha(b"\1" + self.edge.pop()[1] + h)
        self.edge.append((n, h))
        self.size += 1
    def root(self):
        h = None
        for _, left in reversed(self.edge):
            h = left if h is None else sha(b"\1" + left + h)
        return h or sha(b"")

class Key:
    def __init__(self, text):
        self.name, kid, key = text.strip().split("+", 2)
        self.raw = b64(key)
        self.id = sha(self.name.encode() + b"\n" + self.raw)[:4]
        need(len(self.raw) == 33 and self.raw[0] == 1 and self.id.hex() == kid, f"{text!r} is not a verifier key")
    def verify(self, text, sig, tmp):
        files = {"text": text, "sig": sig, "pub": bytes.fromhex("302a300506032b6570032100") + self.raw[1:]}
        return openssl(tmp, files, *"pkeyutl -verify -pubin -keyform DER -inkey pub -rawin -in text -sigfile sig".split()).returncode == 0

def signed(note, keys, tmp):
    text, _, lines = note.partition(b"\n\n")
    for m in re.finditer("^\u2014 (\\S+) (\\S+)$", lines.decode(), re.M):
        if any(k.name == m.group(1) and k.id == b64(m.group(2))[:4] and k.verify(text + b"\n", b64(m.group(2))[4:], tmp) for k in keys):
            return True
    return False

def stamp(token, note, roots, tmp):  # when it was issued, or None; its chain is checked as of then
    said = openssl(tmp, {"tsr": token, "data": note}, "ts", "-reply", "-in", "tsr", "-text").stdout
    m = re.search(rb"^Time stamp: (\w+ +\d+ [\d:]+)(?:\.\d+)? (\d+) GMT", said, re.M)
    at = calendar.timegm(time.strptime(b" ".join(m.groups()).decode(), "%b %d %H:%M:%S %Y")) if m else 0
    args = ["ts", "-verify", "-data", "data", "-in", "tsr", "-CAfile", roots, "-attime", str(at)]
    return at if m and openssl(tmp, {}, *args).returncode == 0 else None

def audit(z, keys, roots, known, tmp):
    names = z.namelist()
    need(len(set(names)) == len(names), "a file is there twice")
    need(not any("\\" in n or {"", ".", ".."} & set(n.split("/")) for n in names), "a name leads out of the zip's folder")
    need(sum(i.file_size for i in z.infolist()) < 1 << 36, "it says that it is larger than 64 GiB")
    edge, leaves = z.read("ledger/edge").decode().splitlines(), z.read("ledger/leaves").splitlines()
    begin = int(edge[0].split()[1])
    tree, end = Tree(begin, [b64(l.split()[1]) for l in edge[1:]]), begin + len(leaves)
    entries = [(i, l[:64].decode(), l[66:].decode()) for i, l in enumerate(leaves, begin)]
    records = {}  # by their sums
    for n in names:
        if n.startswith("records/"):
            records.update((sha(line).hex(), line) for line in z.read(n).split(b"\n") if line)
    keys += [Key(json.loads(records[s])["key"]) for _, s, k in entries if k.startswith(PRE + "key/") and s in records]
    # The tree: every checkpoint has the root of the entries up to its size, and is signed.
    checkpoints = {}
    for n in names:
        if n.startswith("checkpoints/") and "." not in n:
            note = z.read(n)
            origin, size, root = note.partition(b"\n\n")[0].decode().split("\n")
            need(origin == keys[0].name and begin <= int(size) <= end, f"{n} is not of these entries of {keys[0].name}")
            checkpoints[int(size)] = (n, note, b64(root))
            if not signed(note, keys, tmp):
                find("unsigned", f"{n} is not signed by a key of the ledger")
    wanted = {int(k.split()[-2]): b64(k.split()[-1]) for k in known}
    for s in wanted:
        if not begin <= s <= end:
            find("rolled_back", f"the ledger had {s} entries; the bundle has those from {begin} to {end}")
    for leaf in leaves + [None]:
        if tree.size in checkpoints and tree.root() != checkpoints[tree.size][2]:
            return find("altered", f"the entries do not come to {checkpoints[tree.size][0]}, of size {tree.size}")
        if tree.size in wanted and tree.root() != wanted[tree.size]:
            find("forked", f"the ledger that you know had another root at size {tree.size}")
        if leaf is not None:
            tree.add(leaf)
    need(end in checkpoints and (not begin or begin in checkpoints), "the first or the last checkpoint is missing")
    stamps = []  # when which sizes were there: each token over its checkpoint
    for size, (n, note, _) in sorted(checkpoints.items()):
        for token in [t for t in names if t.startswith(n + ".") and t.endswith(".tsr")] if roots else []:
            stamps.append((size, stamp(z.read(token), note, roots, tmp)))
            if stamps[-1][1] is None:
                find("token", f"{token} does not prove its checkpoint, nor when anything was there")
                stamps.pop()
    after = lambda i: min((t for s, t in stamps if s > i), default=0)  # the first stamp of a ledger with the entry
    before = lambda i: max((t for s, t in stamps if s <= i), default=0)  # the last stamp of one without it
    if roots and not stamps:
        find("unstamped", "no time-stamp proves when anything was there")
    slots, reports, plans, times, windows = {}, {}, {}, set(), []  # from the records: each is of an entry, and each entry that has one is there
    for i, s, k in entries:
        kind = k[len(PRE):].split("/")[0] if k.startswith(PRE) else k.split("/")[-1][:-5]
        if kind in ("pruned", "void"):
            continue
        if s not in records:
            find("unarchived", f"{k}: the ledger has it, and its record is not in the bundle, or was altered")
            continue
        r, key = json.loads(records[s]), k[len(PRE) + 6:] if kind == "found" else k
        if kind == "plan":
            plans.setdefault(when(r["since"]), []).append((i, r["packs"]))
        elif kind == "slate":
            windows.append((when(r["from"]), when(r["until"])))
            times |= {(d["schedule"], d["zone"], when(t)) for d in r["due"] for t in d["times"]}
        elif kind in ("found", "manifest", "gap"):
            pack, _, _, due, name = key.rsplit("/", 4)
            slot = pack, calendar.timegm(time.strptime(due, "%Y%m%dT%H%M%SZ"))
            if ("/".join(filter(None, (r["source"], r.get("aggregator"), r["pack"]))), when(r["due"])) != slot:
                find("misplaced", f"{k}: the record is of another slot")
            if name == "manifest.json":
                reports[key.rpartition("/")[0] + "/" + r["object"]] = r["sha256"], r["size"]
            slots[slot] = max(slots.get(slot, ((False, False), 0)), ((kind != "found", name == "manifest.json"), i), key=lambda x: x[0])
    for s in set(records) - {s for _, s, _ in entries}:
        find("unlogged", f"a record with the SHA-256 {s} is not in the ledger")
    for n in names:
        if n.startswith("reports/") and (sha(z.read(n)).hex(), z.getinfo(n).file_size) != reports.get(n[8:]):
            find("altered", f"{n} is not what a manifest of the ledger says")
    # What was due, by slates and plans, and what became of it.
    st, count = json.loads(z.read("statement.json")), collections.Counter()
    lo, hi, only, last = when(st["from"]), when(st["until"]), st.get("packs"), max((t for _, t in stamps), default=0)
    forces = sorted((max(t, max(before(i) for i, _ in parts)), [p for _, ps in parts for p in ps]) for t, parts in plans.items())
    covered = lo - 1 if begin or not windows else max(lo - 1, min(windows)[0])
    for a, b in sorted(windows) + [(hi - 1, hi)]:
        if covered < a < hi:
            find("short" if (a, b) == (hi - 1, hi) else "unslated", f"nothing was said in advance of what falls due from {show(covered)} to {show(a)}")
        covered = max(covered, b)
    if 0 < last < hi - 1:
        find("short", f"the last time-stamp is of {show(last)}, before the period ends: nothing after it is proven")
    for schedule, zone, t in sorted(times):
        for p in ([packs for since, packs in forces if since <= t] or [[]])[-1]:
            pack = p["source"] + "/" + p["pack"]
            within = lo <= t < hi and when(p.get("since", show(0))) <= t <= when(p.get("until", show(t)))
            if (p["schedule"], p["zone"]) != (schedule, zone) or not within or only and pack not in only:
                continue
            (logged, sealed), i = slots.get((pack, t), ((None, None), 0))
            word = "missing" if logged is None else "found" if not logged else "sealed" if sealed else "gap"
            if word == "missing":
                word = "open" if roots and t + DAY > last else word
                find(word, f"{pack} was due at {show(t)}, and has no record")
            count.update(["expected", word] + ["late"] * (word == "sealed" and after(i) > t + DAY))
    changed = any(p != forces[0][1] for _, p in forces)  # then slates may lack times of a plan that came after them
    for word in ["expected", "sealed", "gap", "found"] + ["late", "missing"] * bool(roots):
        if st["counts"][word] != count[word]:
            (find if not changed else lambda *a: print("note:", *a))("claim", f"{word}: {st['counts'][word]} by the statement, {count[word]} by this")
    print("entries", tree.size, "| root", base64.b64encode(tree.root()).decode(), "| checkpoints", len(checkpoints), "| time-stamps", len(stamps))
    print(f"from {show(lo)} until {show(hi)}:", ", ".join(f"{w} {count[w]}" for w in "expected sealed late gap found missing open".split()))

p = argparse.ArgumentParser(usage=__doc__)
for name, how in ("bundle", {}), ("--key", {"action": "append", "required": True}), ("--tsa-roots", {}), ("--known", {"action": "append", "default": []}):
    p.add_argument(name, **how)
o = p.parse_args()
with tempfile.TemporaryDirectory() as tmp:
    try:
        audit(zipfile.ZipFile(o.bundle), [Key(k) for k in o.key], o.tsa_roots and os.path.abspath(o.tsa_roots), o.known, tmp)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, zipfile.BadZipFile, OSError) as e:
        find("unreadable", f"{type(e).__name__}: {e}")
print(f"findings: {len(findings)}")
sys.exit(3 if findings else 0)
