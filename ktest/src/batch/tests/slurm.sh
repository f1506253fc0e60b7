# SPDX-License-Identifier: MIT OR Apache-2.0
# Stands in for sbatch, squeue, scontrol and sacct: tasks run here, one after the other, and end as the test wants.

# One attempt at a shard; what becomes of it is the first line of its fate, which goes.
task() {
    job=$1 index=$2 script=$3 log=$4
    key=${job}_$index
    fate=$(head -n 1 "$root/fate/$index" 2>/dev/null)
    [ -s "$root/fate/$index" ] && sed -i 1d "$root/fate/$index"
    export SLURM_ARRAY_JOB_ID=$job SLURM_ARRAY_TASK_ID=$index SLURMD_NODENAME=n1
    stopped=$root/state/$key.stopped
    unset STAND_IN_STOP
    case $fate in
        lost) state='NODE_FAIL 0:0' ;;
        cancelled) state='CANCELLED 0:15' ;;
        memory) state='OUT_OF_MEMORY 0:125' ;;
        nothing) state='COMPLETED 0:0' ;;
        forgotten) state= ;;
        full)
            echo 'error: failed to write `x`' > "$log"
            echo '  because: No space left on device (os error 28)' >> "$log"
            state='FAILED 69:0' ;;
        *-at-*)
            export STAND_IN_STOP=${fate##*-at-} STAND_IN_STOPPED=$stopped
            setsid sh "$script" > "$log" 2>&1 &
            group=$!
            while ! [ -e "$stopped" ]; do sleep 0.02; done
            kill -9 "-$group"
            # The emulator has a group of its own, and dies with whoever started it.
            case $fate in
                kill-*) state='FAILED 0:9' ;;
                *) state='TIMEOUT 0:0' ;;
            esac ;;
        zombie)
            (sleep 1; sh "$script" > "$log" 2>&1) &
            state='NODE_FAIL 0:0' ;;
        *)
            sh "$script" > "$log" 2>&1
            code=$?
            case $code in
                0) state='COMPLETED 0:0' ;;
                *) state="FAILED $code:0" ;;
            esac ;;
    esac
    if [ -n "$state" ]; then echo "$state" > "$root/state/$key"; else rm -f "$root/state/$key"; fi
}

case ${0##*/} in
    sbatch)
        for word in "$@"; do
            case $word in
                --array=*) array=${word#--array=} ;;
                --partition=*) echo 'sbatch: error: invalid partition specified' >&2; exit 1 ;;
                --output=*) output=${word#--output=} ;;
                --*) ;;
                *) script=$word ;;
            esac
        done
        echo "$array" >> "$root/submitted"
        job=$(wc -l < "$root/submitted")
        output=$(printf %s "$output" | sed 's/%%/%/g')
        output=${output%/*}
        cp "$script" "$root/state/job-$job"
        indices=$(echo "$array" | tr , '\n' | while IFS=- read -r from to; do seq "$from" "${to:-$from}"; done)
        for index in $indices; do echo 'PENDING 0:0' > "$root/state/${job}_$index"; done
        (
            for index in $indices; do
                echo 'RUNNING 0:0' > "$root/state/${job}_$index"
                task "$job" "$index" "$root/state/job-$job" "$output/${job}_$index.log"
            done
        ) > /dev/null 2>&1 < /dev/null &
        echo "$job" ;;
    squeue)
        if [ -s "$root/deaf" ]; then
            sed -i 1d "$root/deaf"
            echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2
            exit 1
        fi
        for file in "$root"/state/*_*; do
            case $file in *.stopped) continue ;; esac
            key=${file##*/}
            read -r state code < "$file"
            echo "${key%_*}|${key#*_}|$state|None"
        done ;;
    scontrol)
        [ "$1" = show ] && { echo 'MaxArraySize            = 1001'; exit; }
        for file in "$root"/state/"$4"_*; do
            case $file in *.stopped) continue ;; esac
            key=${file##*/}
            read -r state code < "$file"
            echo "JobId=1 ArrayJobId=${key%_*} ArrayTaskId=${key#*_} JobName=x JobState=$state Reason=None ExitCode=$code NodeList=n1"
        done ;;
    sacct)
        echo 'Slurm accounting storage is disabled' >&2
        exit 1 ;;
esac
