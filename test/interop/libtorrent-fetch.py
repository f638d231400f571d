"""A stock client: `libtorrent-fetch.py TORRENT DIRECTORY SECONDS [HOST:PORT]`.

Joins the swarm of TORRENT through its tracker, or calls the peer that is named, until it has everything or SECONDS have
passed, and prints one JSON line. libtorrent's defaults (encryption and uTP are tried first), but no way to find peers
other than the tracker.
"""

import json
import sys
import time

import libtorrent as lt

torrent, directory, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
category = lt.alert.category_t
session = lt.session(
    {
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": category.status_notification
        | category.error_notification
        | category.tracker_notification
        | category.connect_notification
        | category.peer_notification,
    }
)
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = directory
handle = session.add_torrent(params)
for peer in sys.argv[4:]:
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))

events = []
deadline = time.monotonic() + seconds
while not handle.status().is_seeding and time.monotonic() < deadline:
    session.wait_for_alert(200)
    events += [str(alert) for alert in session.pop_alerts()]
status = handle.status()
print(
    json.dumps(
        {
            "isComplete": status.is_seeding,
            "payloadBytes": status.total_payload_download,
            "failedBytes": status.total_failed_bytes,
            "events": events,
        }
    )
)
