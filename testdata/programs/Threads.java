// Two hundred threads that add up what they were given: a Java program for a recorder.
//
//     java Threads [COUNT]
//
// Prints `sum <1+…+COUNT>` and ends with 9.

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

public class Threads {
	public static void main(String[] args) throws InterruptedException {
		int count = args.length > 0 ? Integer.parseInt(args[0]) : 200;
		AtomicLong sum = new AtomicLong();
		List<Thread> threads = new ArrayList<>();
		for (int i = 1; i <= count; i++) {
			long part = i;
			Thread thread = new Thread(() -> sum.addAndGet(part), "adder-" + i);
			threads.add(thread);
			thread.start();
		}
		for (Thread thread : threads) {
			thread.join();
		}
		System.out.println("sum " + sum);
		System.exit(9);
	}
}
