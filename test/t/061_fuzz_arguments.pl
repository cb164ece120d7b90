
# 061_fuzz_arguments.pl: some hundred calls of the extension's functions with
# arguments that nobody would think of.  "make fuzz" does it at length.
use strict;
use warnings FATAL => 'all';

use FindBin;

$ENV{FUZZ_SECONDS} = 8;
require "$FindBin::Bin/../fuzz/arguments.pl";
