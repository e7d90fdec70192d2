/* Loads plugins, has each start a thread, and unloads it: plughost PLUGIN... */
#define _DEFAULT_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static volatile int keep;

__attribute__((noinline)) int host_run(const char *path)
{
	void *plugin = dlopen(path, RTLD_NOW);
	int (*run)(void) = plugin ? (int (*)(void))dlsym(plugin, "plugin_run") : NULL;
	if (!run) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	usleep(20000); /* Creations that come faster are taken together. */
	int result = run();
	keep = result;
	dlclose(plugin);
	return result;
}

int main(int argc, char **argv)
{
	int result = 0;
	for (int index = 1; index < argc; index++)
		result += host_run(argv[index]);
	return result;
}
