"""What has nothing to do with neurons: files written whole, keys, random streams, work in parallel, progress."""
