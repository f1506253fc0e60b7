# SPDX-License-Identifier: MIT OR Apache-2.0
# Stands in for the emulator: process-vm passes, but on the kernels that a test names, and where a test wants it the task ends here.
case "$*" in *--version*) echo emulator; exit ;; esac
while [ $# -gt 0 ]; do
    [ "$1" = -kernel ] && kernel=$2
    shift
done
# A comma within a name was doubled.
console=$(printf %s "$console" | sed 's/,,/,/g')
results=$(printf %s "$results" | sed 's/,,/,/g')
number=${kernel%/bzImage}
number=${number##*/}
echo "$number" >> "$root/boots"
echo "$number ${SLURMD_NODENAME:-here}" >> "$root/where"
while [ -e "$root/hold-$number" ]; do sleep 0.1; done
if [ "${STAND_IN_STOP:-}" = "$number" ]; then
    # The node, or its time, ends now: the whole task with it.
    : > "$STAND_IN_STOPPED"
    exec sleep 600
fi
released=5
[ -e "$root/fails-$number" ] && released=4
echo 'ktest: begin process-vm' >> "$console"
echo 'ktest: end process-vm' >> "$console"
{
    echo '# begin process-vm FAILED'
    echo "    # pins read acquired=5 released=$released"
    echo '    ok 1 read'
    [ -e "$root/probes-$number" ] && cat "$root/probes-$number"
    echo "# pins process-vm acquired=5 released=$released"
    echo '# end process-vm pass'
    echo 'ktest verdict: pass'
} >> "$results"
