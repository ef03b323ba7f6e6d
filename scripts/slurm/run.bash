# What the batch scripts beside it share.

# run_or_requeue COMMAND...: runs the command as the tasks of the job and ends the script with its exit code.
#
# SIGUSR1, which the scripts ask Slurm to send before the time limit (--signal=B:USR1@120), goes through the launcher
# to all ranks; the program then saves its models and ends with 75, and the job is put into the queue again. SIGTERM
# (scancel, preemption) makes the program save and end too, but whoever sent it decides what becomes of the job.
#
# Ranks are started by srun, which needs a PMIx that Slurm and MPI share (`srun --mpi=list`, `ompi_info | grep pmix`).
# STAMARKER_LAUNCH names another launcher: "srun --mpi=pmi2" for MPICH or Intel MPI, or "mpirun".
run_or_requeue() {
  local code=75 launcher=
  local was_signalled=no is_out_of_time=no
  ask_to_save() {
    was_signalled=yes
    [[ -z $launcher ]] || kill -USR1 "$launcher"
  }
  trap 'is_out_of_time=yes; echo "out of time: asking the run to save"; ask_to_save' USR1
  trap ask_to_save TERM
  export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
  export SRUN_CPUS_PER_TASK=$OMP_NUM_THREADS  # srun takes it from sbatch no more since 22.05
  # As srun --kill-on-bad-exit=1: without it the ranks wait for one that was killed until the time limit, and beyond
  # it, as a rank that waits cannot save.
  export SLURM_KILL_BAD_EXIT=1

  if [[ $was_signalled == no ]]; then
    ${STAMARKER_LAUNCH:-srun --mpi=pmix} "$@" &
    launcher=$!
    [[ $was_signalled == no ]] || kill -USR1 "$launcher"
    while :; do
      was_signalled=no
      wait "$launcher"
      code=$?
      [[ $was_signalled == yes ]] || break  # else the signal ended the waiting, not the run
    done
  fi

  if (( code == 75 )) && [[ $is_out_of_time == yes ]]; then
    echo "saved; job $SLURM_JOB_ID goes on from the queue"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  exit "$code"
}
