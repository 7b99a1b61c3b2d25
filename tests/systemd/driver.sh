#!/bin/sh
# Runs inside the booted machine, as root: installs the package and does to the service what years do to it.
# What it finds goes to /trial/result, a line `NAME VALUE` each; tests/systemd/booted.py reads and judges it.
exec 3>/trial/result
tell() { echo "$*" >&3; }
now() { date +%s%N; }
since() { echo $((($(now) - $1) / 1000000)); } # ms
pid() { systemctl show fieldgate -p MainPID --value; }
restarts() { systemctl show fieldgate -p NRestarts --value; }
ask() { /opt/fieldgate/bin/python -S -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9184$1', timeout=5).read().decode())" 2>/dev/null; }
# One process that asks again and again: a new one for each question would take the core from the gateway that starts.
answers() {
  /opt/fieldgate/bin/python -S -c "
import socket, sys, time
until = time.monotonic() + 30
while time.monotonic() < until:
    try:
        with socket.create_connection(('127.0.0.1', 9184), 5) as line:
            line.sendall(b'GET /healthz HTTP/1.0\r\n\r\n')
            if b' 200 ' in line.recv(100):
                sys.exit(0)
    except OSError:
        pass
    time.sleep(0.02)
sys.exit(1)"
}
# restarted PID: waits for another main process, then until it answers; prints the ms that each took since BEGUN.
restarted() {
  for _ in $(seq 300); do
    new=$(pid)
    if [ "$new" != 0 ] && [ "$new" != "$1" ]; then
      started=$(since "$begun")
      answers && echo "$started $(since "$begun")"
      return
    fi
    sleep 0.05
  done
  echo never never
}
# knows TAG, forgets TAG: waits until the gateway has heard of it, or until it has not.
knows() { for _ in $(seq 150); do ask "/why?name=$1" >/dev/null && return 0; sleep 0.1; done; return 1; }
forgets() { for _ in $(seq 150); do ask "/why?name=$1" >/dev/null || return 0; sleep 0.1; done; return 1; }
journal() { journalctl -u fieldgate --no-pager -o cat; }
# says WORDS: waits until the journal has a line with them, and prints the last.
says() { for _ in $(seq 150); do journal | grep -q "$1" && break; sleep 0.1; done; journal | grep "$1" | tail -1; }
state() { find /var/lib/private/fieldgate -type f | sort; }

set -x
tell system "$(systemctl is-system-running --wait)"
dpkg -i /trial/old.deb || tell install failed
tell enabled "$(systemctl is-enabled fieldgate)"
tell active_without_configuration "$(systemctl is-active fieldgate)"
cp /trial/fieldgate.yaml /etc/fieldgate/fieldgate.yaml
cp /trial/bench.yaml /etc/fieldgate/devices.d/
mkdir -p /etc/systemd/system/fieldgate.service.d
printf '[Service]\nWatchdogSec=6\n' > /etc/systemd/system/fieldgate.service.d/trial.conf # the unit's 30 s would take long
systemctl daemon-reload
fieldgate check || tell check failed

touch /trial/marker
begun=$(now)
systemctl start fieldgate && tell ready "$(since "$begun")"
answers && tell answers "$(ask /healthz)" || { journalctl -u fieldgate --no-pager | tail -50; systemctl poweroff; exit 1; }
sleep 65 # a start has settled after a minute; the asset has learnt
tell phase "$(fieldgate status --json | /opt/fieldgate/bin/python -c 'import json,sys; print(json.load(sys.stdin)["assets"][0]["phase"])')"
tell user "$(stat -c %U "/proc/$(pid)")"
tell written "$(find / -xdev -newer /trial/marker -type f -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*' \
  -not -path '/trial/*' -not -path '/var/log/*' -not -path '/var/lib/private/fieldgate/*' -not -path '/var/lib/systemd/*' | tr '\n' ' ')"

# The configuration is taken up while it runs: a device more, a fault that changes nothing, and the device gone again.
old=$(pid)
cp /trial/second.yaml /etc/fieldgate/devices.d/
systemctl reload fieldgate
knows second.level && tell reloaded "$old $(pid)"
cp /trial/wrong.yaml /etc/fieldgate/devices.d/second.yaml
systemctl reload fieldgate
tell refused "$(says 'configuration refused')"
knows second.level && tell kept_running "$old $(pid) $(systemctl is-active fieldgate)"
rm /etc/fieldgate/devices.d/second.yaml
systemctl reload fieldgate
forgets second.level && tell taken_out "$old $(pid)"

old=$(pid) begun=$(now)
kill -9 "$old"
tell killed "$(restarted "$old")"

old=$(pid) begun=$(now)
touch /trial/freeze # an adapter that then blocks the loop for ever
for _ in $(seq 300); do [ "$(pid)" = "$old" ] || break; sleep 0.05; done
rm -f /trial/freeze
tell frozen "$(restarted "$old")"
tell reason "$(journal | grep -c 'Watchdog timeout')"
# The next process knows whose fault it was, and leaves it alone until it is told otherwise.
tell aside "$(fieldgate quarantine --state /var/lib/fieldgate)"
tell released "$(fieldgate quarantine release bench --state /var/lib/fieldgate)"

begun=$(now)
systemctl stop fieldgate
tell stopped "$(since "$begun")"
tell result "$(systemctl show fieldgate -p Result --value) $(systemctl show fieldgate -p ExecMainStatus --value)"

# A whole line around the unit, which is upgraded while an alarm stands.
cp -r /trial/model/* /etc/fieldgate/
/opt/fieldgate/bin/python /trial/line.py || tell line failed

# Five crashes in a row, on a machine whose cores are taken by others: the time until it answers, and what it took of a core.
cpu() { awk -v tick="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / tick) }' "/proc/$(pid)/stat"; }
for number in $(seq "$(nproc)"); do systemd-run --quiet --unit "busy-$number" /bin/sh -c 'while :; do :; done'; done
systemctl restart fieldgate
took=
for _ in 1 2 3 4 5; do
  answers
  old=$(pid) begun=$(now)
  kill -9 "$old"
  took="$took $(restarted "$old" | cut -d' ' -f2) $(cpu)"
done
systemctl stop 'busy-*'
tell crashed "$(restarts)"
tell killed_busy "$took"
tell safe_mode "$(ask /healthz)"
tell safe_status "$(fieldgate status --listen 127.0.0.1:9184 | grep 'safe mode')"
systemctl restart fieldgate
answers
tell after_restart "$(ask /healthz)"

systemctl stop fieldgate
# The whole job, from plant to alarm, behind the walls of the unit: only what it starts, and when it is done, differs.
sed -e 's/^Type=.*/Type=oneshot/' -e 's/^Restart=.*/Restart=no/' -e 's/^TimeoutStartSec=.*/TimeoutStartSec=300/' \
  -e '/^WatchdogSec/d' -e 's|^ExecStart=.*|ExecStart=/usr/bin/env fieldgate demo --for 100s|' \
  /usr/lib/systemd/system/fieldgate.service > /etc/systemd/system/trial-demo.service
systemctl daemon-reload
systemctl start trial-demo
tell demo $?
journalctl -u trial-demo --no-pager -o cat
rm /etc/systemd/system/trial-demo.service

apt-get -qq -y remove fieldgate || dpkg -r fieldgate
tell kept "$(state | wc -l) $(ls /etc/fieldgate/devices.d | tr '\n' ' ')"
dpkg -P fieldgate
rm -rf /trial/marker
tell left "$(find / -xdev -iname '*fieldgate*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/trial/*' -not -path '/run/*' -not -path '/var/log/*' | tr '\n' ' ')"
tell done yes
systemctl poweroff --no-block
