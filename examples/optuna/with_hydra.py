"""Search with dsice from Hydra's Optuna sweeper.

pip install 'dsice[optuna]' hydra-optuna-sweeper==1.4.0rc3
python with_hydra.py --multirun
"""

import hydra


@hydra.main(config_path="conf", config_name="config", execution_whitelist="dsice.integrations.*")
def train(config):
    return abs(config.rate - 0.01) + abs(config.layers - 3)


if __name__ == "__main__":
    train()
