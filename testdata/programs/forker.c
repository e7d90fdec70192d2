/* A tree of processes, in which threads fork too.
 *
 *     forker DEPTH WIDTH THREADS
 *
 * Each process above depth DEPTH forks WIDTH children and starts THREADS threads. Every second
 * fork is made by one of its threads, if it has any. All are waited for. In all there are
 * 1 + WIDTH + … + WIDTH^DEPTH processes, each with THREADS threads; `made` lines for all but the
 * first process.
 */
#define _GNU_SOURCE
#include "say.h"
#include <sys/wait.h>

static long depth, width, threads;

struct worker {
	pthread_t thread;
	long level, number;
	int creator;
};

static void run_process(long level);

static void fork_and_wait(long level) {
	int self = my_tid();
	pid_t child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child == 0) {
		run_process(level + 1);
		_exit(0);
	}
	say_made("process", self, child);
	int status;
	if (waitpid(child, &status, 0) != child || status != 0)
		die("child %d: status 0x%x", child, (unsigned)status);
}

/* Which forks a thread makes: 1, 3, 5 … in turn; the main thread (number -1) makes the others. */
static int is_mine(long fork_number, long number) {
	if (fork_number % 2 == 0 || threads == 0)
		return number < 0;
	return fork_number / 2 % threads == number;
}

static void make_forks(long level, long number) {
	for (long i = 0; level < depth && i < width; i++)
		if (is_mine(i, number))
			fork_and_wait(level);
}

static void *run_worker(void *arg) {
	struct worker *worker = arg;
	say_made("thread", worker->creator, my_tid());
	make_forks(worker->level, worker->number);
	return NULL;
}

static void run_process(long level) {
	struct worker *workers = calloc((size_t)threads + 1, sizeof *workers);
	for (long i = 0; i < threads; i++) {
		workers[i] = (struct worker){.level = level, .number = i, .creator = my_tid()};
		workers[i].thread = start_thread(run_worker, &workers[i], 0);
	}
	make_forks(level, -1);
	for (long i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
}

int main(int argc, char **argv) {
	depth = number_arg(argc, argv, 1, 0, 2);
	width = number_arg(argc, argv, 2, 0, 2);
	threads = number_arg(argc, argv, 3, 0, 2);
	run_process(0);
	return 0;
}
