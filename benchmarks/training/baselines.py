"""What a prompt has to beat: the largest class, and a bag of words trained on the same rows."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from threadpoolctl import threadpool_limits

from data import metric, read
from grid import TARGETS

SCORES = {
    "accuracy": accuracy_score,
    "macro_f1": lambda right, given: f1_score(right, given, average="macro"),
}
# Inverse strengths of the penalty, of which the dev rows choose.
STRENGTHS = [0.1, 1, 10, 100]


def largest_class(test, score):
    """The score of the one label that does best when it is always given: a bound for such an answer."""
    right = [row["label"] for row in test]
    return {"test": max(score(right, [label] * len(right)) for label in sorted(set(right)))}


def bag_of_words(train, dev, test, score):
    """TF-IDF of words, pairs of words and signs, and a logistic regression."""

    def texts(rows):
        return [row["input"] for row in rows]

    def labels(rows):
        return [row["label"] for row in rows]

    words = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    inputs = words.fit_transform(texts(train))
    dev_inputs = words.transform(texts(dev))
    best = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000).fit(inputs, labels(train))
        reached = score(labels(dev), model.predict(dev_inputs))
        if best is None or reached > best[0]:
            best = reached, strength, model
    reached, strength, model = best
    return {
        "strength": strength,
        "dev": reached,
        "test": score(labels(test), model.predict(words.transform(texts(test)))),
    }


def run(job, data, threads):
    """The scores of a `grid.Baseline`."""
    score = SCORES[metric(job.task)]
    if job.target:
        names = TARGETS[job.target][1]
        test = [row | {"label": names[row["label"]]} for row in read(data.target(job.target))]
    else:
        test = read(data.split(job.task, "test"))
    if job.method == "largest-class":
        return largest_class(test, score)
    train = read(data.train(job.task, job.few_shot, job.seed))
    with threadpool_limits(threads):
        return bag_of_words(train, read(data.split(job.task, "dev")), test, score)
