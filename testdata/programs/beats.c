/* A task now and then, with the times at which it came and went by the monotonic clock.
 *
 *     beats COUNT PAUSE_MS
 *
 * Makes COUNT tasks, a thread and a process in turn, PAUSE_MS ms apart. Prints for each
 *     beat <tid> asked <ns> made <ns> ending <ns> over <ns>
 * asked and made: before and after the call that made it. ending: the last that the task itself saw.
 * over: when it was joined, or reaped.
 */
#define _GNU_SOURCE
#include "say.h"
#include <sys/mman.h>
#include <sys/wait.h>

struct beat {
	volatile int tid;
	volatile uint64_t ending;
};

static void live(struct beat *beat) {
	beat->tid = my_tid();
	beat->ending = now_ns();
}

static void *run(void *beat) {
	live(beat);
	return NULL;
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 0, 10);
	long pause_ms = number_arg(argc, argv, 2, 0, 10);
	struct beat *beat = mmap(NULL, sizeof *beat, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (beat == MAP_FAILED)
		die("cannot map memory: %s", strerror(errno));
	for (long i = 0; i < count; i++) {
		uint64_t asked = now_ns(), made;
		if (i % 2 == 0) {
			pthread_t thread = start_thread(run, beat, 0);
			made = now_ns();
			pthread_join(thread, NULL);
		} else {
			pid_t child = fork();
			if (child < 0)
				die("cannot fork: %s", strerror(errno));
			if (child == 0) {
				live(beat);
				_exit(0);
			}
			made = now_ns();
			if (waitpid(child, NULL, 0) != child)
				die("cannot wait for %d: %s", child, strerror(errno));
		}
		say("beat %d asked %llu made %llu ending %llu over %llu\n", beat->tid,
		    (unsigned long long)asked, (unsigned long long)made,
		    (unsigned long long)beat->ending, (unsigned long long)now_ns());
		sleep_ms(pause_ms);
	}
	return 0;
}
