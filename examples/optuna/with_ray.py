"""Search with dsice from Ray Tune.

pip install 'dsice[optuna]' 'ray[tune]'
"""

from optuna.distributions import FloatDistribution, IntDistribution
from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from dsice.integrations.optuna import DsiceSampler

space = {"rate": FloatDistribution(1e-4, 1e-1, log=True), "layers": IntDistribution(1, 8)}


def train(config):
    tune.report({"loss": abs(config["rate"] - 0.01) + abs(config["layers"] - 3)})


search = OptunaSearch(space, sampler=DsiceSampler(space), metric="loss", mode="min")
tuner = tune.Tuner(
    train, tune_config=tune.TuneConfig(search_alg=ConcurrencyLimiter(search, 4), num_samples=40)
)
print(tuner.fit().get_best_result("loss", "min").config)
