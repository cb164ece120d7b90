/*
 * random.c: the random numbers, open to inspection from SQL.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "random.h"

PG_FUNCTION_INFO_V1(hospital_random_block);

/* The n words of an array of bigint. */
static void
array_words(ArrayType *array, uint32 *words, int n)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	if (count != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("a block needs four counter words and two key words")));
	for (int i = 0; i < n; i++)
	{
		int64		word = nulls[i] ? -1 : DatumGetInt64(values[i]);

		if (word < 0 || word > PG_UINT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("a word must be from 0 to 4294967295")));
		words[i] = (uint32) word;
	}
}

Datum
hospital_random_block(PG_FUNCTION_ARGS)
{
	uint32		counter[4],
				key[2];
	RandomBlock block;
	Datum		words[4];

	array_words(PG_GETARG_ARRAYTYPE_P(0), counter, lengthof(counter));
	array_words(PG_GETARG_ARRAYTYPE_P(1), key, lengthof(key));
	block = philox4x32_10(counter, key);
	for (int i = 0; i < 4; i++)
		words[i] = Int64GetDatum((int64) block.v[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(words, 4, INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
