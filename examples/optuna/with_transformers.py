"""Search with dsice from transformers.

pip install 'dsice[optuna]' 'transformers[torch]'
"""

import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from dsice.integrations.optuna import DsiceSampler

RATE, BATCH = "learning_rate", "per_device_train_batch_size"
space = {
    RATE: FloatDistribution(1e-5, 1e-2, log=True),
    BATCH: CategoricalDistribution([8, 16, 32]),
}


def space_of(trial):
    return {
        RATE: trial.suggest_float(RATE, 1e-5, 1e-2, log=True),
        BATCH: trial.suggest_categorical(BATCH, [8, 16, 32]),
    }


def model(trial=None):
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    return BertForSequenceClassification(BertConfig(vocab_size=8, num_attention_heads=1, **size))


texts = torch.randint(0, 8, (64, 4))
data = [{"input_ids": text, "labels": int(text[0] > 3)} for text in texts]
options = TrainingArguments("checkpoints", num_train_epochs=1, eval_strategy="epoch")
trainer = Trainer(model_init=model, args=options, train_dataset=data, eval_dataset=data)
best = trainer.hyperparameter_search(
    backend="optuna", hp_space=space_of, n_trials=20, sampler=DsiceSampler(space)
)
print(best.objective, best.hyperparameters)
