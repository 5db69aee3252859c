import { suite } from 'node:test';
import { withoutPostgres } from '../../support/database.ts';
import { consumerConformance } from '../conformance.ts';
import { WalPlace } from './place.ts';

suite('the WAL consumer', { skip: withoutPostgres }, () => {
  consumerConformance('the consumer of the log of PostgreSQL', () => WalPlace.open());
});
