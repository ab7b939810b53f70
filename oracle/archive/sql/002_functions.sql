-- What the archive calls, and what anybody may call who keeps it. All of it can be run again.

CREATE FUNCTION make_partitions(from_s bigint, until_s bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp AS $$
DECLARE
  made integer := 0;
  parent text;
  span_s bigint;
  start_s bigint;
  part text;
BEGIN
  FOR parent, span_s IN VALUES ('rounds', 86400), ('prices', 86400), ('abstentions', 86400), ('minutes', 2592000) LOOP
    FOR start_s IN SELECT generate_series(from_s - from_s % span_s, until_s, span_s) LOOP
      part := parent || to_char(to_timestamp(start_s) AT TIME ZONE 'UTC', '_YYYYMMDD');
      IF to_regclass(format('lrt_oracle.%I', part)) IS NULL THEN
        -- made first and attached then: readers of the other days need not stop for it
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING GENERATED)', part, parent);
        EXECUTE format(
          'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, part, start_s, start_s + span_s
        );
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
COMMENT ON FUNCTION make_partitions IS 'Make the partitions of all days of a time range that are not there; how many were made.';

CREATE FUNCTION make_stages() RETURNS void
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp AS $$
BEGIN
  CREATE TEMP TABLE staged_rounds (
    round_s bigint, epoch numeric, step bigint, weight numeric, threshold numeric, total numeric, items bytea, sealed bytea,
    source text, rank smallint, received_ms bigint
  ) ON COMMIT DELETE ROWS;
  CREATE TEMP TABLE staged_prices (
    feed text, round_s bigint, mode text, price numeric(38, 18), market numeric(38, 18), redemption numeric(38, 18),
    deviation_bps bigint, spread_bps integer, status text, why text, status_only boolean, market_age_s integer,
    redemption_age_h integer, observed_at_ms bigint, computed_at_ms bigint, signed_at_ms bigint, sealed_ms bigint,
    ramp_ppm integer, operators text[], legs text[], reasons jsonb, missing jsonb, refused jsonb
  ) ON COMMIT DELETE ROWS;
  CREATE TEMP TABLE staged_abstentions (feed text, round_s bigint, why text, text text) ON COMMIT DELETE ROWS;
END $$;
COMMENT ON FUNCTION make_stages IS 'Temporary tables of this session, which COPY fills and take_staged empties.';

CREATE FUNCTION take_staged(of_domain smallint) RETURNS TABLE (fresh integer, reworded integer, conflicts bigint[])
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  lo bigint;
  hi bigint;
  known bigint[];
BEGIN
  SELECT min(s.round_s), max(s.round_s) INTO lo, hi FROM staged_rounds s;
  SELECT array_agg(r.round_s) FILTER (WHERE (r.items, r.epoch) IS DISTINCT FROM (s.items, s.epoch)),
         array_agg(r.round_s) FILTER (WHERE (r.items, r.epoch) IS DISTINCT FROM (s.items, s.epoch) OR r.rank <= s.rank),
         count(*) FILTER (WHERE (r.items, r.epoch) = (s.items, s.epoch) AND r.rank > s.rank)
    INTO conflicts, known, reworded
    FROM staged_rounds s JOIN rounds r ON r.domain = of_domain AND r.round_s = s.round_s AND r.round_s BETWEEN lo AND hi;
  DELETE FROM staged_rounds s WHERE s.round_s = ANY (known);
  DELETE FROM staged_prices s WHERE s.round_s = ANY (known);
  DELETE FROM staged_abstentions s WHERE s.round_s = ANY (known);
  SELECT min(s.round_s), max(s.round_s), count(*) - reworded INTO lo, hi, fresh FROM staged_rounds s;
  conflicts := coalesce(conflicts, '{}');
  IF lo IS NULL THEN
    fresh := 0;
    RETURN NEXT;
    RETURN;
  END IF;
  INSERT INTO rounds (domain, round_s, epoch, step, weight, threshold, total, items, sealed, source, rank, received_ms)
    SELECT of_domain, s.* FROM staged_rounds s
    ON CONFLICT (domain, round_s) DO UPDATE SET step = excluded.step, weight = excluded.weight, sealed = excluded.sealed,
      source = excluded.source, rank = excluded.rank, received_ms = excluded.received_ms;
  INSERT INTO prices (domain, feed, round_s, mode, price, market, redemption, deviation_bps, spread_bps, status, why,
                      status_only, market_age_s, redemption_age_h, observed_at_ms, computed_at_ms, signed_at_ms, sealed_ms,
                      ramp_ppm, operators, legs, reasons, missing, refused)
    SELECT of_domain, s.feed, s.round_s, s.mode, s.price, s.market, s.redemption, s.deviation_bps, s.spread_bps,
           s.status::status, s.why, s.status_only, s.market_age_s, s.redemption_age_h, s.observed_at_ms, s.computed_at_ms,
           s.signed_at_ms, s.sealed_ms, s.ramp_ppm, s.operators, s.legs, s.reasons, s.missing, s.refused
    FROM staged_prices s
    ON CONFLICT (domain, feed, round_s) DO UPDATE SET price = excluded.price, observed_at_ms = excluded.observed_at_ms,
      computed_at_ms = excluded.computed_at_ms, signed_at_ms = excluded.signed_at_ms, sealed_ms = excluded.sealed_ms,
      ramp_ppm = excluded.ramp_ppm, operators = excluded.operators, reasons = excluded.reasons, missing = excluded.missing,
      refused = excluded.refused;
  INSERT INTO abstentions (domain, feed, round_s, why, text)
    SELECT of_domain, s.* FROM staged_abstentions s
    ON CONFLICT (domain, feed, round_s) DO UPDATE SET why = excluded.why, text = excluded.text;
  PERFORM note_status_changes(of_domain, lo, hi);
  INSERT INTO touched (sink, domain, hour_s)
    SELECT sink, of_domain, s.hour_s
    FROM (SELECT DISTINCT round_s - round_s % 3600 AS hour_s FROM staged_rounds) s, unnest(ARRAY['roll_up', 'parquet']) sink
    ON CONFLICT (sink, domain, hour_s) DO UPDATE SET times = touched.times + 1;
  UPDATE domains d SET first_s = least(d.first_s, lo), newest_s = greatest(d.newest_s, hi), rounds = d.rounds + fresh,
    written_at = now() WHERE d.id = of_domain;
  RETURN NEXT;
END $$;
COMMENT ON FUNCTION take_staged IS 'Take the rounds of the temporary tables staged_*: each once; one that is known with other items stays as it was and is named.';

CREATE FUNCTION note_status_changes(of_domain smallint, lo bigint, hi bigint) RETURNS void
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  -- so far around them the records before and after are looked for
  first_s bigint := lo - 604800;
  last_s bigint := hi + 604800;
BEGIN
  CREATE TEMP TABLE IF NOT EXISTS spans (feed text, lo bigint, hi bigint, before_s bigint) ON COMMIT DELETE ROWS;
  DELETE FROM spans;
  INSERT INTO spans
    SELECT t.feed, t.lo,
      coalesce((SELECT p.round_s FROM prices p WHERE p.domain = of_domain AND p.feed = t.feed AND p.round_s > t.hi
                AND p.round_s <= last_s ORDER BY p.round_s LIMIT 1), t.hi),
      coalesce((SELECT p.round_s FROM prices p WHERE p.domain = of_domain AND p.feed = t.feed AND p.round_s < t.lo
                AND p.round_s >= first_s ORDER BY p.round_s DESC LIMIT 1), t.lo)
    FROM (SELECT p.feed, min(p.round_s) AS lo, max(p.round_s) AS hi FROM prices p
          WHERE p.domain = of_domain AND p.round_s BETWEEN lo AND hi GROUP BY p.feed) t;
  DELETE FROM status_changes c USING spans s
    WHERE c.domain = of_domain AND c.feed = s.feed AND c.round_s BETWEEN s.lo AND s.hi;
  INSERT INTO status_changes (domain, feed, round_s, at_ms, before, after, reasons)
    SELECT of_domain, x.feed, x.round_s, x.computed_at_ms, x.before, x.status, x.reasons
    FROM (SELECT p.feed, p.round_s, p.computed_at_ms, p.status, p.reasons, s.lo,
                 lag(p.status) OVER (PARTITION BY p.feed ORDER BY p.round_s) AS before
          FROM spans s JOIN prices p ON p.domain = of_domain AND p.feed = s.feed
            AND p.round_s BETWEEN s.before_s AND s.hi AND p.round_s BETWEEN first_s AND last_s) x
    WHERE x.round_s >= x.lo AND x.before <> x.status;
END $$;
COMMENT ON FUNCTION note_status_changes IS 'Work out the changes of status of a time range anew, also where a round came late between others.';

CREATE FUNCTION roll_up_prices(of_domain smallint, from_s bigint, until_s bigint, step_s integer)
RETURNS TABLE (domain smallint, feed text, start_s bigint, first_s bigint, last_s bigint, rounds integer, open numeric,
               high numeric, low numeric, close numeric, market numeric, redemption numeric, worst status, status status)
LANGUAGE sql STABLE SET search_path = lrt_oracle, pg_temp AS $$
  SELECT of_domain, p.feed, p.round_s - p.round_s % step_s, min(p.round_s), max(p.round_s), count(*)::integer,
    (array_agg(p.price ORDER BY p.round_s) FILTER (WHERE p.price IS NOT NULL))[1],
    max(p.price), min(p.price),
    (array_agg(p.price ORDER BY p.round_s DESC) FILTER (WHERE p.price IS NOT NULL))[1],
    (array_agg(p.market ORDER BY p.round_s DESC) FILTER (WHERE p.price IS NOT NULL))[1],
    (array_agg(p.redemption ORDER BY p.round_s DESC) FILTER (WHERE p.price IS NOT NULL))[1],
    max(p.status), (array_agg(p.status ORDER BY p.round_s DESC))[1]
  FROM prices p WHERE p.domain = of_domain AND p.round_s >= from_s AND p.round_s < until_s GROUP BY 2, 3
$$;
COMMENT ON FUNCTION roll_up_prices IS 'Open, high, low, close and worst status of each step of so many seconds, for any time range and step that prices are kept of.';

CREATE FUNCTION roll_up(of_domain smallint, hour_s bigint) RETURNS void
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  target text;
  step_s integer;
BEGIN
  FOR target, step_s IN VALUES ('minutes', 60), ('hours', 3600) LOOP
    EXECUTE format(
      'INSERT INTO %I (domain, feed, start_s, first_s, last_s, rounds, open, high, low, close, market, redemption, worst, status)
       SELECT * FROM roll_up_prices(%s::smallint, %s, %s, %s)
       ON CONFLICT (domain, feed, start_s) DO UPDATE SET first_s = excluded.first_s, last_s = excluded.last_s,
         rounds = excluded.rounds, open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
         market = excluded.market, redemption = excluded.redemption, worst = excluded.worst, status = excluded.status',
      target, of_domain, hour_s, hour_s + 3600, step_s);
  END LOOP;
END $$;
COMMENT ON FUNCTION roll_up IS 'Work out the minutes and the hour of an hour anew.';

CREATE FUNCTION roll_up_touched(most integer) RETURNS integer
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp AS $$
DECLARE
  done integer := 0;
  one touched%ROWTYPE;
BEGIN
  FOR one IN SELECT * FROM touched WHERE sink = 'roll_up' ORDER BY hour_s LIMIT most FOR UPDATE LOOP
    PERFORM roll_up(one.domain, one.hour_s);
    DELETE FROM touched t WHERE (t.sink, t.domain, t.hour_s) = (one.sink, one.domain, one.hour_s);
    done := done + 1;
  END LOOP;
  RETURN done;
END $$;
COMMENT ON FUNCTION roll_up_touched IS 'Roll up at most so many hours that have new rounds; how many were.';

CREATE FUNCTION note_gaps(of_domain smallint, since_s bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  every integer := (SELECT d.interval_s FROM domains d WHERE d.id = of_domain);
BEGIN
  CREATE TEMP TABLE IF NOT EXISTS found_gaps (first_s bigint, last_s bigint) ON COMMIT DELETE ROWS;
  DELETE FROM found_gaps;
  INSERT INTO found_gaps
    SELECT x.round_s + every, x.next_s - every
    FROM (SELECT r.round_s, lead(r.round_s) OVER (ORDER BY r.round_s) AS next_s
          FROM rounds r WHERE r.domain = of_domain AND r.round_s >= since_s) x
    WHERE x.next_s - x.round_s > every;
  DELETE FROM gaps g WHERE g.domain = of_domain AND g.first_s >= since_s
    AND NOT EXISTS (SELECT 1 FROM found_gaps f WHERE (f.first_s, f.last_s) = (g.first_s, g.last_s));
  INSERT INTO gaps (domain, first_s, last_s, rounds)
    SELECT of_domain, f.first_s, f.last_s, (f.last_s - f.first_s) / every + 1 FROM found_gaps f
    ON CONFLICT (domain, first_s, last_s) DO NOTHING;
  RETURN (SELECT coalesce(sum(g.rounds), 0) FROM gaps g WHERE g.domain = of_domain);
END $$;
COMMENT ON FUNCTION note_gaps IS 'Note the round times since a time of which no round is kept; how many are known in all.';

CREATE FUNCTION drop_older(kept_since timestamptz, minutes_since timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = lrt_oracle, pg_temp AS $$
DECLARE
  dropped integer := 0;
  parent text;
  cut_s bigint;
  span_s bigint;
  part text;
  start_s bigint;
BEGIN
  FOR parent, cut_s, span_s IN VALUES
    ('prices', extract(epoch FROM kept_since)::bigint, 86400), ('abstentions', extract(epoch FROM kept_since)::bigint, 86400),
    ('rounds', extract(epoch FROM kept_since)::bigint, 86400), ('minutes', extract(epoch FROM minutes_since)::bigint, 2592000)
  LOOP
    FOR part, start_s IN
      SELECT c.relname, extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD'))::bigint
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = format('lrt_oracle.%I', parent)::regclass ORDER BY 1
    LOOP
      CONTINUE WHEN start_s + span_s > cut_s;
      IF parent = 'prices' THEN
        PERFORM roll_up(t.domain, t.hour_s) FROM touched t
          WHERE t.sink = 'roll_up' AND t.hour_s >= start_s AND t.hour_s < start_s + span_s;
        DELETE FROM touched t WHERE t.hour_s >= start_s AND t.hour_s < start_s + span_s;
        INSERT INTO kept_rounds (domain, round_s, epoch, step, weight, threshold, total, items, sealed, source, rank, received_ms)
          SELECT r.domain, r.round_s, r.epoch, r.step, r.weight, r.threshold, r.total, r.items, r.sealed, r.source, r.rank, r.received_ms
          FROM rounds r WHERE r.round_s >= start_s AND r.round_s < start_s + span_s AND (
            EXISTS (SELECT 1 FROM status_changes c WHERE (c.domain, c.round_s) = (r.domain, r.round_s))
            OR EXISTS (SELECT 1 FROM pushed c WHERE (c.domain, c.round_s) = (r.domain, r.round_s)))
          ON CONFLICT DO NOTHING;
        INSERT INTO kept_prices (domain, feed, round_s, mode, price, market, redemption, deviation_bps, spread_bps, status, why,
                                 status_only, market_age_s, redemption_age_h, observed_at_ms, computed_at_ms, signed_at_ms,
                                 sealed_ms, ramp_ppm, operators, legs, reasons, missing, refused)
          SELECT p.domain, p.feed, p.round_s, p.mode, p.price, p.market, p.redemption, p.deviation_bps, p.spread_bps, p.status,
                 p.why, p.status_only, p.market_age_s, p.redemption_age_h, p.observed_at_ms, p.computed_at_ms, p.signed_at_ms,
                 p.sealed_ms, p.ramp_ppm, p.operators, p.legs, p.reasons, p.missing, p.refused
          FROM prices p WHERE p.round_s >= start_s AND p.round_s < start_s + span_s AND (
            EXISTS (SELECT 1 FROM status_changes c WHERE (c.domain, c.feed, c.round_s) = (p.domain, p.feed, p.round_s))
            OR EXISTS (SELECT 1 FROM pushed c WHERE (c.domain, c.feed, c.round_s) = (p.domain, p.feed, p.round_s)))
          ON CONFLICT DO NOTHING;
        UPDATE domains d SET kept_since_s = greatest(d.kept_since_s, start_s + span_s);
      ELSIF parent = 'minutes' THEN
        UPDATE domains d SET minutes_since_s = greatest(d.minutes_since_s, start_s + span_s);
      END IF;
      EXECUTE format('DROP TABLE %I', part);
      dropped := dropped + 1;
    END LOOP;
  END LOOP;
  RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_older IS 'Drop the days before a time, and the minutes before another; roll-ups, changes of status and pushed records of them stay. How many partitions went.';
