"""A runner that puts a plugin into namespaces of its own, as containers do (Linux).

The plugin sees no network, no other process, and of the files only the system's
programs, read-only, and the directory for sockets. It needs `unshare` and `setpriv` of
util-linux, and no privileges where the system allows user namespaces.
"""

import shutil

from goplugin_py import CommandRunner, RunnerSpec

SYSTEM = ("/usr", "/bin", "/lib", "/lib64")

# Makes a root file system in memory and makes it the only one, whose pieces stay
# mounted where the plugin needs them; then gives up the power to undo that.
SETUP = """
set -e
sockets=$1; program=$2; shift 2
mount -t tmpfs -o mode=755 root /mnt
cd /mnt
mkdir proc sockets
touch plugin
mount --bind "$sockets" sockets
mount --bind -o ro "$program" plugin
for system in /usr /bin /lib /lib64; do
  if [ -e "$system" ]; then
    mkdir ".$system"
    mount --rbind -o ro "$system" ".$system"
  fi
done
mount -t proc proc proc
mount -o remount,ro .
PATH=/usr/sbin:/sbin:/usr/bin:/bin pivot_root . .  # which not every PATH has
umount -l .
cd /
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all /plugin "$@"
"""


def namespaces(spec: RunnerSpec) -> CommandRunner:
    """Run `spec` in namespaces; a value for `ClientConfig.runner`."""
    program, *arguments = spec.command
    command = [
        # The kernel kills unshare with this process, and the plugin with unshare.
        *("setpriv", "--pdeathsig=KILL"),
        *("unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts"),
        *("--pid", "--fork", "--kill-child", "--"),
        *("/bin/sh", "-c", SETUP, "sh", spec.socket_directory),
        *(shutil.which(program) or program, *arguments),
    ]
    return CommandRunner(spec, command=command, sockets_at="/sockets")
