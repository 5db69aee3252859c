import type { KafkaConsumerOptions } from './config.ts';

const BROKER = /^([^\s:/@[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
/** Shorter ones end by a pause of the garbage collector. */
const MIN_SESSION_MS = 1_000;

/** What is wrong with the options of a Kafka consumer: key, value, what is allowed. */
export function kafkaProblems(path: string, options: KafkaConsumerOptions): string[] {
  const { brokers, topics, consumer_group, sasl_mechanism, sasl_user, session_timeout } = options;
  const problems: string[] = [];
  const addresses = 'a list of host:port, at least one';
  if (brokers.length === 0) problems.push(`${path}.brokers is empty: allowed is ${addresses}`);
  brokers.forEach((broker, index) => {
    if (!BROKER.test(broker))
      problems.push(
        `${path}.brokers[${index}] is ${JSON.stringify(broker)}: allowed is host:port, such as "127.0.0.1:9092"`,
      );
  });
  if (topics.length === 0)
    problems.push(`${path}.topics is empty: allowed is a list of topics, at least one`);
  topics.forEach((topic, index) => {
    if (!TOPIC.test(topic))
      problems.push(
        `${path}.topics[${index}] is ${JSON.stringify(topic)}: allowed are up to 249 letters, digits, ".", "_" and "-"`,
      );
  });
  if (!/^\S+$/.test(consumer_group))
    problems.push(
      `${path}.consumer_group is ${JSON.stringify(consumer_group)}: allowed is a name without spaces`,
    );
  if (sasl_mechanism === 'aws-msk-iam')
    problems.push(
      `${path}.sasl_mechanism is "aws-msk-iam", which is not supported here: allowed are "plain", "scram-sha-256" and "scram-sha-512"`,
    );
  else if (sasl_mechanism && !sasl_user)
    problems.push(`${path}.sasl_user is empty, but sasl_mechanism needs one`);
  if (session_timeout < MIN_SESSION_MS)
    problems.push(
      `${path}.session_timeout is ${session_timeout} ms: allowed is ${MIN_SESSION_MS} ms or more`,
    );
  return problems;
}
