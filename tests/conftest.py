import signal

import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)

# two threads make small tensors many times slower beside other load, and tests run side by side
torch.set_num_threads(1)
