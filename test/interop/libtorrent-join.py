"""A stock client that stays: `libtorrent-join.py TORRENT DIRECTORY`.

Joins the swarm of TORRENT through its tracker, prints "complete" once it has everything and gives to others until it is
killed. libtorrent's defaults, but no way to find peers other than the tracker.
"""

import signal
import sys

import libtorrent as lt

torrent, directory = sys.argv[1], sys.argv[2]
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
        | category.connect_notification,
    }
)
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = directory
handle = session.add_torrent(params)


def leave(*_):
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
is_told = False
while True:
    session.wait_for_alert(100)
    for alert in session.pop_alerts():
        print(alert, file=sys.stderr, flush=True)
    if not is_told and handle.status().is_seeding:
        is_told = True
        print("complete", flush=True)
