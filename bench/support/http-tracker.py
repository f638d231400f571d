"""A stock tracker (BEP 3, compact answers): `http-tracker.py ADDRESS PORT`. Names up to 50 random peers, forgets nobody."""

import random
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

swarms = {}


class Tracker(BaseHTTPRequestHandler):
    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        swarm = swarms.setdefault(query["info_hash"][0], set())
        me = (self.client_address[0], int(query["port"][0]))
        others = [peer for peer in list(swarm) if peer != me]
        swarm.add(me)
        chosen = random.sample(others, min(50, len(others)))
        peers = b"".join(socket.inet_aton(host) + struct.pack(">H", port) for host, port in chosen)
        # A short interval: who came first should hear of who came later.
        body = b"d8:intervali5e12:min intervali5e5:peers%d:%se" % (len(peers), peers)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Tracker).serve_forever()
