-- Version 1: what was sealed, and what follows from it. Prices are exact: numeric(38,18), in quote units for one base unit.
CREATE TYPE status AS ENUM ('ok', 'watch', 'depeg', 'halt');
COMMENT ON TYPE status IS 'How far to rely on a price; it sorts by how bad it is, so that max() is the worst.';

CREATE TABLE domains (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain_id numeric(78, 0) NOT NULL, store bytea NOT NULL CHECK (octet_length(store) = 20),
  interval_s integer NOT NULL CHECK (interval_s > 0),
  first_s bigint, newest_s bigint, rounds bigint NOT NULL DEFAULT 0, written_at timestamptz,
  kept_since_s bigint NOT NULL DEFAULT 0, minutes_since_s bigint NOT NULL DEFAULT 0,
  UNIQUE (chain_id, store)
);
COMMENT ON TABLE domains IS 'A store on a chain, and how far its archive has come. Everything else is by its id.';
COMMENT ON COLUMN domains.newest_s IS 'The newest round that is kept: moved in the transaction that writes it.';
COMMENT ON COLUMN domains.kept_since_s IS 'Before this only minutes, hours and what is kept for good are left; 0: nothing was dropped.';

CREATE TABLE rounds (
  domain smallint NOT NULL REFERENCES domains, round_s bigint NOT NULL,
  at timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp(round_s)) STORED,
  epoch numeric(78, 0) NOT NULL, step bigint NOT NULL,
  weight numeric NOT NULL, threshold numeric NOT NULL, total numeric NOT NULL,
  items bytea NOT NULL, sealed bytea NOT NULL,
  source text NOT NULL, rank smallint NOT NULL, received_ms bigint NOT NULL,
  PRIMARY KEY (domain, round_s)
) PARTITION BY RANGE (round_s);
COMMENT ON COLUMN rounds.items IS 'What was signed: 30 bytes a feed.';
COMMENT ON COLUMN rounds.sealed IS 'Signer set, feeds and signatures as JSON: with items all that proves the round.';
COMMENT ON COLUMN rounds.source IS 'Whose words are beside the numbers; rank: its place in the config.';

CREATE TABLE prices (
  domain smallint NOT NULL, feed text NOT NULL, round_s bigint NOT NULL,
  at timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp(round_s)) STORED,
  mode text NOT NULL, price numeric(38, 18), market numeric(38, 18), redemption numeric(38, 18),
  deviation_bps bigint, spread_bps integer NOT NULL, status status NOT NULL, why text NOT NULL, status_only boolean NOT NULL,
  market_age_s integer NOT NULL, redemption_age_h integer NOT NULL,
  observed_at_ms bigint NOT NULL, computed_at_ms bigint NOT NULL, signed_at_ms bigint, sealed_ms bigint,
  ramp_ppm integer NOT NULL, operators text[] NOT NULL, legs text[] NOT NULL,
  reasons jsonb, missing jsonb, refused jsonb,
  PRIMARY KEY (domain, feed, round_s)
) PARTITION BY RANGE (round_s);
COMMENT ON COLUMN prices.price IS 'In the mode of the feed; NULL: there is none.';
COMMENT ON COLUMN prices.deviation_bps IS 'Market from redemption: -602 is 6.02 % below.';
COMMENT ON COLUMN prices.missing IS 'Who did not sign; refused: who does not vouch for this feed. As the source of the round says.';

CREATE TABLE abstentions (
  domain smallint NOT NULL, feed text NOT NULL, round_s bigint NOT NULL,
  at timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp(round_s)) STORED,
  why text NOT NULL, text text NOT NULL,
  PRIMARY KEY (domain, feed, round_s)
) PARTITION BY RANGE (round_s);
COMMENT ON TABLE abstentions IS 'Feeds without a fresh price of a sealed round.';

CREATE INDEX rounds_at ON rounds USING brin (at);
CREATE INDEX prices_at ON prices USING brin (at);
CREATE INDEX abstentions_at ON abstentions USING brin (at);

CREATE TABLE minutes (
  domain smallint NOT NULL, feed text NOT NULL, start_s bigint NOT NULL,
  at timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp(start_s)) STORED,
  first_s bigint NOT NULL, last_s bigint NOT NULL, rounds integer NOT NULL,
  open numeric(38, 18), high numeric(38, 18), low numeric(38, 18), close numeric(38, 18),
  market numeric(38, 18), redemption numeric(38, 18), worst status NOT NULL, status status NOT NULL,
  PRIMARY KEY (domain, feed, start_s)
) PARTITION BY RANGE (start_s);
CREATE INDEX minutes_at ON minutes USING brin (at);
CREATE TABLE hours (LIKE minutes INCLUDING GENERATED INCLUDING COMMENTS, PRIMARY KEY (domain, feed, start_s));
CREATE INDEX hours_at ON hours USING brin (at);

CREATE TABLE status_changes (
  domain smallint NOT NULL, feed text NOT NULL, round_s bigint NOT NULL, at_ms bigint NOT NULL,
  before status NOT NULL, after status NOT NULL, reasons jsonb,
  PRIMARY KEY (domain, feed, round_s)
);
CREATE TABLE pushed (
  domain smallint NOT NULL, feed text NOT NULL, round_s bigint NOT NULL, seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, feed, round_s)
);
COMMENT ON TABLE pushed IS 'Rounds of a feed that the store was seen to hold: somebody pushed them.';

CREATE TABLE kept_prices (LIKE prices INCLUDING GENERATED INCLUDING COMMENTS, PRIMARY KEY (domain, feed, round_s));
CREATE TABLE kept_rounds (LIKE rounds INCLUDING GENERATED INCLUDING COMMENTS, PRIMARY KEY (domain, round_s));
COMMENT ON TABLE kept_prices IS 'Records at which the status changed, and pushed ones, once their day was dropped.';

CREATE TABLE gaps (
  domain smallint NOT NULL, first_s bigint NOT NULL, last_s bigint NOT NULL, rounds bigint NOT NULL,
  found_at timestamptz NOT NULL DEFAULT now(), asked integer NOT NULL DEFAULT 0,
  PRIMARY KEY (domain, first_s, last_s)
);
COMMENT ON TABLE gaps IS 'Round times of which no round is kept: nobody sealed them, or nobody that was asked has them any more.';

CREATE TABLE touched (
  sink text NOT NULL, domain smallint NOT NULL, hour_s bigint NOT NULL, times bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (sink, domain, hour_s)
);
COMMENT ON TABLE touched IS 'Hours with rounds that roll-ups or Parquet files do not have yet; written with the rounds.';
CREATE TABLE parquet_days (
  domain smallint NOT NULL, day_s bigint NOT NULL, closed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (domain, day_s)
);
