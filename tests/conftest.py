import torch

# two threads make small tensors many times slower beside other load, and tests run side by side
torch.set_num_threads(1)
