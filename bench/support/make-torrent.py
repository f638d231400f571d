"""`make-torrent.py DIRECTORY TRACKER-URL TORRENT`: a BEP 3 torrent of a directory, libtorrent's own choice of pieces."""

import os
import sys

import libtorrent as lt

directory, tracker, path = sys.argv[1:]
storage = lt.file_storage()
lt.add_files(storage, directory)
torrent = lt.create_torrent(storage, flags=lt.create_torrent.v1_only)
torrent.add_tracker(tracker)
torrent.set_priv(True)
lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(directory)))
with open(path, "wb") as file:
    file.write(lt.bencode(torrent.generate()))
