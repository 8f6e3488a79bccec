# What the control plane and the nodes do alike before anything else.

POD_RANGE=10.244.0.0/16
export ADDRESS
ADDRESS=$(ip -4 -o addr show dev eth0 primary | awk '{split($4, a, "/"); print a[1]; exit}')

# keep runs a command again whenever it ends: there is no init system here.
keep() {
    while true; do
        "$@" || true
        sleep 0.5
    done &
}

# A stopped container must not wait for Docker's ten seconds.
trap 'kill -TERM $(ps -o pid= --ppid $$) 2>/dev/null; exit 0' TERM INT

sysctl -qw net.ipv4.ip_forward=1
# Pod traffic goes through the control plane on one wire; "go direct" hints would be wrong.
sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
