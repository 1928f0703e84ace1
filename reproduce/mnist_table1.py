"""Table 1 of Rifai et al. (ICML 2011) on MNIST: test error, mean squared entry of J, saturation.

    python reproduce/mnist_table1.py --data-dir DATA [--only CAE,AE] [--minutes 110] [--device cuda]

50,000 / 10,000 / 10,000 rows; one tied layer of 1000 sigmoid units, summed cross-entropy, plain gradient descent; J and
saturation on the validation rows after pretraining; then fine-tuning. Strength is searched on validation error (see
_table1.py); the choice is run from three seeds.
The restricted Boltzmann machine is scikit-learn's, by persistent instead of plain contrastive divergence. Run again
after a stop: finished pieces are kept.
"""

from _data import mnist
from _pieces import parser
from _table1 import table


def main(argv=None):
    """Every row asked for."""
    table(parser(__doc__).parse_args(argv), "mnist", mnist)


if __name__ == "__main__":
    main()
