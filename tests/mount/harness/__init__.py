"""What the tests on a real mount share: disks, daemons, recorded sessions, tree comparison."""
