#!/usr/bin/env bash
# Starts Slurm on this machine alone, for the tests marked `slurm`: one node, the loopback address, no accounting and
# no slurmdbd, which is what the poorest cluster has. Takes a few seconds. Needs root and Debian's packages slurm-wlm
# and munge. Run again, it starts anew.
#
#   tests/slurm/start.sh FOLDER   start; FOLDER gets configuration, logs and state
#   tests/slurm/start.sh stop FOLDER
#
# exit status: 0 started, 3 cannot be started here (the reason is on stderr)
set -euo pipefail

cannot() { echo "Slurm cannot be started here: $*" >&2; exit 3; }

stop() {
    for daemon in slurmd slurmctld munged; do
        if [ -f "$1/$daemon.pid" ]; then
            pid=$(cat "$1/$daemon.pid")
            # the number may be another process' by now
            if [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$daemon" ]; then
                kill "$pid"
                for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
            fi
            rm -f "$1/$daemon.pid"
        fi
    done
}

if [ "${1:-}" = stop ]; then stop "${2:?folder}"; exit 0; fi
folder=$(realpath -m "${1:?folder}")
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || cannot "not root"
for program in munged slurmctld slurmd sbatch squeue scontrol; do
    command -v "$program" > /dev/null || cannot "$program is not installed (Debian: apt-get install slurm-wlm munge)"
done

stop "$folder"
mkdir -p "$folder"/{state,spool}
chmod 755 "$folder"
host=$(hostname -s)

# munge: a key, a socket and a log of its own, so that nothing of the system's is touched
if [ ! -s "$folder/munge.key" ]; then
    (umask 077; head -c 1024 /dev/urandom > "$folder/munge.key")
fi
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" || cannot "munged: see $folder/munged.log"

sed -e "s|@HOST@|$host|g" -e "s|@FOLDER@|$folder|g" "$here/slurm.conf" > "$folder/slurm.conf"
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > "$folder/cgroup.conf"
export SLURM_CONF="$folder/slurm.conf"
slurmctld -c -L "$folder/slurmctld.log" || cannot "slurmctld: see $folder/slurmctld.log"
slurmd -c -N "$host" -L "$folder/slurmd.log" || cannot "slurmd: see $folder/slurmd.log"
for _ in $(seq 150); do
    if [ "$(sinfo -h -o %t 2> /dev/null | head -1)" = idle ]; then
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 0.2
done
tail -5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2 || true
cannot "the node does not become idle within 30 s: $(sinfo -h -o '%t %E' 2>&1 | head -1)"
