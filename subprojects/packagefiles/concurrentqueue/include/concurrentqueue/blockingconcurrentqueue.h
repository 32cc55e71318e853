// Where Debian installs it, so that one include fits both.
#include "../../blockingconcurrentqueue.h"
