"""Table 1 of Rifai et al. (ICML 2011) on CIFAR-10 in grey: test error, mean squared entry of J, saturation.

    python reproduce/cifar_table1.py --data-dir DATA [--only CAE,AE] [--minutes 110] [--device cuda]

As mnist_table1.py on 40,000 / 10,000 / 10,000 rows of 1024, but for the rates (see _table1.py). How the paper
made its images grey and whether it scaled them further is not stated; here they are luma grey divided by 255.
"""

from _data import cifar
from _pieces import parser
from _table1 import table


def main(argv=None):
    """Every row asked for."""
    table(parser(__doc__).parse_args(argv), "cifar", cifar)


if __name__ == "__main__":
    main()
