"""One end of a link by libtorrent: `seed DIRECTORY TORRENT` or `fetch DIRECTORY TORRENT PORT`.

Speaks the same JSON lines as swarm-link.ts. Defaults of libtorrent, but TCP alone, nothing but the peer that is named,
and no rate or unchoke limit that would hold it back on a single link.
"""

import json
import signal
import sys
import time

import libtorrent as lt

role, directory, torrent = sys.argv[1:4]
session = lt.session(
    {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "rate_limit_ip_overhead": False,
        "unchoke_slots_limit": -1,
        "send_buffer_watermark": 4 * 1024 * 1024,
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
    }
)


def say(**fields):
    print(json.dumps(fields), flush=True)


def add(**flags):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.ti.clear_trackers() if hasattr(params.ti, "clear_trackers") else None
    params.save_path = directory
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    for name in flags:
        params.flags |= getattr(lt.torrent_flags, name)
    return session.add_torrent(params)


def seed():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    handle = add(seed_mode=True)
    while not handle.status().is_seeding:
        time.sleep(0.05)
    before = time.process_time()
    say(port=session.listen_port())
    signal.sigwait({signal.SIGTERM})
    say(cpuSeconds=time.process_time() - before)


def fetch(port):
    before, start = time.process_time(), time.perf_counter()
    handle = add()
    handle.connect_peer(("127.0.0.1", port))
    finished = False
    while not finished:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert):
                finished = True
            if isinstance(alert, (lt.file_error_alert, lt.torrent_error_alert)):
                raise RuntimeError(str(alert))
    wall, cpu = time.perf_counter() - start, time.process_time() - before
    say(wallSeconds=wall, cpuSeconds=cpu)
    session.remove_torrent(handle)


if role == "seed":
    seed()
else:
    fetch(int(sys.argv[4]))
